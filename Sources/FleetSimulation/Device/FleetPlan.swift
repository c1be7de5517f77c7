internal import MartletTypes

/// What all devices of a fleet share.
package final class FleetPlan: Sendable {
    package let profile: FleetProfile
    package let fetch: FetchMode
    package let seed: UInt64

    package init(profile: FleetProfile, fetch: FetchMode = .none, seed: UInt64) {
        self.profile = profile
        self.fetch = fetch
        self.seed = seed
    }

    /// The real time that simulated seconds take.
    func real(_ seconds: Double) -> Duration { .milliseconds(Int64(max(0, seconds) * 1000 / profile.timeScale)) }

    /// The simulated seconds of a real time.
    func simulated(_ duration: Duration) -> Double {
        let parts = duration.components
        return (Double(parts.seconds) + Double(parts.attoseconds) / 1e18) * profile.timeScale
    }
}
