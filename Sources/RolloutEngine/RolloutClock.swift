internal import MartletTypes

/// A rollout's own clock: it runs with the caller's, stands still while that goes back, and takes a leap of it for
/// `RolloutLimits.longestStepSeconds` at most. So deadlines neither stall nor fire when a clock is set, or when the
/// registry was away and devices could not report.
struct RolloutClock: Sendable, Hashable, Codable {
    /// Milliseconds that had passed at `seen`.
    private(set) var elapsed: Int64 = 0
    private(set) var seen: Timestamp

    init(_ now: Timestamp) { seen = now }

    /// Milliseconds that have passed until `now`.
    func time(at now: Timestamp) -> Int64 {
        let step = now.milliseconds.subtractingReportingOverflow(seen.milliseconds)
        let most = Int64(RolloutLimits.longestStepSeconds) * 1000
        guard !step.overflow else { return elapsed + (now > seen ? most : 0) }
        return elapsed + min(max(0, step.partialValue), most)
    }

    /// When the clock will have reached `time`, if the caller's clock is not set meanwhile.
    func moment(of time: Int64) -> Timestamp { Timestamp(milliseconds: seen.milliseconds + (time - elapsed)) }

    mutating func advance(to now: Timestamp) {
        elapsed = time(at: now)
        seen = now
    }

    /// Whether `now` is far enough from what is saved that it must be saved, whatever else happens.
    func mustAdvance(to now: Timestamp) -> Bool {
        now < seen || time(at: now) - elapsed >= Int64(RolloutLimits.clockSavedSeconds) * 1000
    }
}
