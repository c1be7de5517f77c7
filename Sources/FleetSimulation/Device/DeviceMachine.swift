internal import MartletAPI
package import MartletTypes
internal import Telemetry

/// A simulated device: a state machine without clock, socket or key.
///
/// Ask `next` what it does now, do it, and tell it by `take` what came of it. It has one connection and one call at a
/// time: a poll asks for as long as nothing of its own is due, so that a report never needs a second connection.
package struct DeviceMachine: Sendable {
    /// What was asked for last.
    enum Asked: Sendable {
        case nothing
        case enrolment
        case inventory
        case reports(ReportBatch, isAnswerLost: Bool)
        case export
        case fetch(SlotName)
        case poll
    }

    package let traits: DeviceTraits
    let plan: FleetPlan
    /// The number of the newest assignment that it accepted.
    package internal(set) var number: Int64 = 0
    /// Whether it has a certificate.
    package private(set) var isEnrolled = false
    /// Why the registry does not take it, where that is for good.
    package internal(set) var refusal: String?
    var slots: [SlotName: SimulatedSlot] = [:]
    var outbox = ReportOutbox()
    /// Measurements that are not sent yet.
    var intervals: [GatewayInterval] = []
    var exportSequence: Int64 = 0
    var nextExport = Timestamp(milliseconds: .max)
    var owesInventory = true
    private var asked = Asked.nothing
    private var failures = 0
    private var pausedUntil: Timestamp?
    private var leavesAt: Timestamp?
    private var absences: UInt64 = 0

    package init(traits: DeviceTraits, plan: FleetPlan) {
        self.traits = traits
        self.plan = plan
    }

    /// What the device's own clock says.
    func ownTime(_ now: Timestamp) -> Timestamp { traits.ownTime(now) }

    /// What it does now.
    package mutating func next(now: Timestamp) -> DeviceAction {
        if refusal != nil { return .end }
        if let pausedUntil, pausedUntil > now { return .rest(until: pausedUntil) }
        pausedUntil = nil
        guard isEnrolled else {
            asked = .enrolment
            return .enrol
        }
        if let until = leave(now) { return .leave(until: until) }
        advance(now)
        if let call = due(now) { return .call(call) }
        let pause = nextDue - now
        // A poll waits whole seconds; what is due within the next one is waited for here.
        guard pause >= .seconds(1) else { return .rest(until: nextDue) }
        asked = .poll
        return .call(.poll(above: number, seconds: min(pause.components.seconds, Int64(Limits.longPollSeconds))))
    }

    /// Whether anything but a poll is to be said, and remembers what was asked.
    private mutating func due(_ now: Timestamp) -> DeviceCall? {
        if owesInventory {
            asked = .inventory
            return .inventory(inventory())
        }
        if let (batch, isAnswerLost) = outbox.next(now, traits, plan.profile.reports) {
            asked = .reports(batch, isAnswerLost: isAnswerLost)
            return .reports(batch, isAnswerLost: isAnswerLost)
        }
        if let (slot, fetch) = nextFetch {
            asked = .fetch(slot)
            return .fetch(path: fetch.path, accept: fetch.accept, isKept: fetch.kind != .blob)
        }
        if let export = export(now) {
            asked = .export
            return .telemetry(export, sequence: exportSequence)
        }
        return nil
    }

    /// What came of what it did.
    package mutating func take(_ outcome: DeviceOutcome, now: Timestamp) {
        let asked = asked
        self.asked = .nothing
        switch outcome {
        case .done: done(asked, now)
        case .assignment(let assignment): accept(assignment, now)
        case .receipt(let receipt):
            guard case .reports(let batch, _) = asked else { break }
            outbox.confirmed(batch, receipt, traits, plan.profile.reports)
        case .fetched(let bytes):
            guard case .fetch(let slot) = asked else { break }
            fetched(bytes, slot, now)
        case .distrusted(let code, let message):
            say(DeviceReport(sequence: 0, time: ownTime(now), code: code, message: message), now)
            pause(now)
            return
        case .refused(let status, let code, let seconds):
            refused(asked, status, code, seconds, now)
            return
        case .lost:
            // Cut on purpose: it is sent again at once.
            if case .reports(_, isAnswerLost: true) = asked { return }
            pause(now)
            return
        }
        failures = 0
    }

    private mutating func done(_ asked: Asked, _ now: Timestamp) {
        switch asked {
        case .enrolment:
            isEnrolled = true
            // A fleet's exports do not come all at once.
            var random = traits.random("first export")
            nextExport = now + plan.real(plan.profile.requests.everySeconds * random.unit())
            if traits.goesAway { leavesAt = now + plan.real(stay()) }
        case .inventory: owesInventory = false
        case .export: intervals = []
        case .nothing, .reports, .fetch, .poll: break
        }
    }

    private mutating func refused(
        _ asked: Asked, _ status: Int, _ code: String, _ retryAfter: Int?, _ now: Timestamp
    ) {
        let isContent = [400, 404, 409, 413, 415, 422].contains(status)
        switch asked {
        case .enrolment where isContent || status == 403: refusal = code
        case .reports(let batch, _) where isContent: outbox.drop(batch)
        case .export where isContent: intervals = []
        case .inventory where isContent: owesInventory = false
        case .fetch(let slot) where isContent: fail(slot, "fetchFailed", now)
        default: pause(now, least: retryAfter.map(Double.init))
        }
    }

    /// Doubles from failure to failure, spread so that a fleet does not come back at once.
    private mutating func pause(_ now: Timestamp, least: Double? = nil) {
        failures += 1
        let doubled = SimulationLimits.firstPauseSeconds * Double(1 << min(failures - 1, 10))
        let full = max(min(doubled, SimulationLimits.longestPauseSeconds), least ?? 0)
        var random = traits.random("pause \(failures) at \(number)")
        let spread = least == nil ? full * (0.5 + random.unit() / 2) : full * (1 + random.unit() / 2)
        pausedUntil = now + .milliseconds(Int64(spread * 1000))
    }

    // MARK: Being away

    private func stay() -> Double {
        var random = traits.random("stay \(absences)")
        return plan.profile.away.hereSeconds.sample(&random, atLeast: 1)
    }

    /// Goes away where that is due: a box that is off installs nothing, so all that was to come comes later.
    private mutating func leave(_ now: Timestamp) -> Timestamp? {
        guard let since = leavesAt, since <= now else { return nil }
        var random = traits.random("absence \(absences)")
        let absence = plan.real(plan.profile.away.awaySeconds.sample(&random, atLeast: 1))
        absences += 1
        let back = now + absence
        leavesAt = back + plan.real(stay())
        measureAll(until: now)
        for name in slots.keys {
            slots[name]?.measuredSince = back
            slots[name]?.work?.postpone(by: absence)
        }
        nextExport = max(nextExport, back)
        return back
    }

    /// When something is due without being asked.
    private var nextDue: Timestamp {
        var moments = slots.values.compactMap { $0.work?.fetches.isEmpty == true ? $0.work?.stages.first?.time : nil }
        moments += [nextExport, leavesAt, outbox.due].compactMap(\.self)
        return moments.min() ?? nextExport
    }
}
