/// How fast a rollout starts devices.
package struct RolloutRate: Sendable, Hashable, Codable {
    /// Devices started per minute at the beginning.
    package var perMinute: Double
    /// What the rate is multiplied with after each `growAfter` successes; 1 keeps it.
    package var growth: Double
    /// Successes after which the rate grows.
    package var growAfter: Int
    /// The rate never grows beyond this; nil is no bound.
    package var maxPerMinute: Double?

    package init(perMinute: Double, growth: Double = 1, growAfter: Int = 1, maxPerMinute: Double? = nil) {
        self.perMinute = perMinute
        self.growth = growth
        self.growAfter = growAfter
        self.maxPerMinute = maxPerMinute
    }
}

/// How often a device whose installation failed is tried again in the same rollout.
package struct RolloutRetry: Sendable, Hashable, Codable {
    /// Attempts after the first; 0 tries once.
    package var attempts: Int
    /// Seconds before the second attempt; doubled for each further one.
    package var backoffSeconds: Int
    /// Seconds that are waited at most.
    package var maxBackoffSeconds: Int
    /// Causes worth another attempt, e.g. `downloadFailed`; empty takes all but those that say that the release is bad.
    package var causes: [String]

    package init(attempts: Int = 0, backoffSeconds: Int = 60, maxBackoffSeconds: Int = 3600, causes: [String] = []) {
        self.attempts = attempts
        self.backoffSeconds = backoffSeconds
        self.maxBackoffSeconds = maxBackoffSeconds
        self.causes = causes
    }
}
