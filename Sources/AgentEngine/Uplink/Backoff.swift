/// Pauses between failed calls: doubled each time up to the longest, spread so that a fleet does not come at once.
struct Backoff {
    private let first: Duration
    private let longest: Duration
    private(set) var failures = 0

    init(first: Duration = AgentLimits.firstPause, longest: Duration = AgentLimits.longestPause) {
        self.first = first
        self.longest = longest
    }

    /// The pause after one more failure. `random` is between 0 and 1; the registry's own wish is a lower bound,
    /// up to an hour.
    mutating func next(random: Double, asked: Duration? = nil) -> Duration {
        let full = min(first * (1 << min(failures, 20)), longest)
        failures += 1
        let pause = full / 2 + (full / 2) * min(max(random, 0), 1)
        return max(pause, min(asked ?? .zero, AgentLimits.longestSilence))
    }

    /// Something succeeded.
    mutating func reset() { failures = 0 }
}

/// Waiting without an error where the wait is cut short; whoever waits asks whether the task was cancelled.
enum Pause {
    static func take(_ duration: Duration) async {
        do { try await Task.sleep(for: duration) } catch { return }
    }

    /// For logs: seconds with one digit after the point.
    static func text(_ duration: Duration) -> String {
        let tenths = max(duration, .zero) / .milliseconds(100)
        return "\((tenths.rounded() / 10)) s"
    }
}
