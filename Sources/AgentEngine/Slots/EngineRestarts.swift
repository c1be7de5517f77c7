/// How what shall serve has ended lately, or could not be started, and what follows: how long its next start waits, and
/// when to tell that it will hardly last. No clock.
struct EngineRestarts {
    /// Within the window, at most one for each start.
    private var ends: [ContinuousClock.Instant] = []
    /// Starts since an engine last ran for a while.
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
            if ran >= AgentLimits.longestRestart { starts = 0 }
            if ran >= AgentLimits.crashWindow { toldAt = nil }
        }
        readyAt = nil
        ends.append(now)
    }

    /// The pause before the next start: it doubles from start to start.
    mutating func nextPause() -> Duration {
        // Further doublings are beyond the longest.
        let pause = min(AgentLimits.firstRestart * (1 << min(starts, 20)), AgentLimits.longestRestart)
        starts += 1
        return pause
    }

    /// How many ends there were within the window, where those are too many and it is to be told: once, and again from
    /// time to time for as long as it goes on, because what there is to be done about it may have changed.
    mutating func takeLoop(at now: ContinuousClock.Instant) -> Int? {
        ends.removeAll { $0 < now - AgentLimits.crashWindow }
        if let toldAt {
            guard toldAt + AgentLimits.crashLoopInterval <= now else { return nil }
        } else {
            guard ends.count >= AgentLimits.crashesInLoop else { return nil }
        }
        toldAt = now
        return ends.count
    }
}

extension AgentLimits {
    /// Between two reports of one crash loop that does not end.
    static let crashLoopInterval = Duration.seconds(3600)
}
