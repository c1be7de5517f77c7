/// How what shall serve has ended lately, or could not be started, and what follows: how long its next start waits, and
/// when to tell that it will hardly last. No clock.
struct EngineRestarts {
    /// Ends and failed starts in a row since an engine last ran for a while.
    private var ends = 0
    /// Starts since then.
    private var starts = 0
    /// Since when an engine runs that was started here; nil where none does.
    private var readyAt: ContinuousClock.Instant?
    /// When it was last told that it ends again and again; nil where it does not.
    private var toldAt: ContinuousClock.Instant?

    /// An engine was started and is ready.
    mutating func ready(at now: ContinuousClock.Instant) { readyAt = now }

    /// An engine ended by itself, or could not be started.
    mutating func ended(at now: ContinuousClock.Instant) {
        if let readyAt {
            let ran = now - readyAt
            // One that became ready is none that lasts.
            if ran >= AgentLimits.longestRestart { (ends, starts) = (0, 0) }
            if ran >= AgentLimits.steadyRun { toldAt = nil }
        }
        readyAt = nil
        ends += 1
    }

    /// The pause before the next start: it doubles from start to start.
    mutating func nextPause() -> Duration {
        // Further doublings are beyond the longest.
        let pause = min(AgentLimits.firstRestart * (1 << min(starts, 20)), AgentLimits.longestRestart)
        starts += 1
        return pause
    }

    /// How many ends there were in a row, where those are too many and it is to be told: once, and again from time to
    /// time for as long as it goes on, because what there is to be done about it may have changed. However long each
    /// start takes: a large model that dies once it is loaded must not be tried for ever where something else could
    /// serve.
    mutating func takeLoop(at now: ContinuousClock.Instant) -> Int? {
        guard ends >= AgentLimits.crashesInLoop else { return nil }
        if let toldAt, now < toldAt + AgentLimits.crashLoopInterval { return nil }
        toldAt = now
        return ends
    }
}

extension AgentLimits {
    /// Between two reports of one crash loop that does not end.
    static let crashLoopInterval = Duration.seconds(3600)
}
