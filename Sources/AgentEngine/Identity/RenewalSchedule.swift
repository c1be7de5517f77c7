internal import AgentStore
internal import MartletTypes

/// When a certificate is renewed: from two thirds of its life on, spread over the fleet, ever again until it succeeds.
struct RenewalSchedule {
    /// Where in the spread this device stands, 0 to 1: devices that were enrolled together do not come together.
    private let place: Double
    private var backoff = Backoff(first: .seconds(10), longest: AgentLimits.renewalInterval)

    init(place: Double) { self.place = min(max(place, 0), 1) }

    /// How long to wait before a certificate is looked at again; nil where it is to be renewed now.
    func pause(_ identity: DeviceIdentity, now: Timestamp) -> Duration? {
        let due = dueTime(identity)
        guard now < due else { return nil }
        // The clock may be set meanwhile: it is looked at again and again.
        return min(due - now, AgentLimits.renewalInterval)
    }

    /// Two thirds of the life, and up to a fiftieth more.
    func dueTime(_ identity: DeviceIdentity) -> Timestamp {
        let life = identity.notAfter.milliseconds - identity.notBefore.milliseconds
        return Timestamp(milliseconds: identity.renewAt.milliseconds + Int64(Double(life / 50) * place))
    }

    mutating func pauseAfterFailure(random: Double, asked: Duration?) -> Duration {
        backoff.next(random: random, asked: asked)
    }

    mutating func succeeded() { backoff.reset() }
}
