/// Bounds of the engine, each with its reason.
package enum RolloutLimits {
    /// Seconds a device has to confirm that it went back, where the policy sets no deadline: a rollback needs no
    /// download, and a box that is switched off must not keep the rollout open for ever.
    package static let restoreSeconds = 600
    /// Seconds that a device may wait for its conditions in all, after which it is given up: a maintenance window of
    /// each week has come round by then, and a box that is never idle must not keep the rollout open for ever.
    package static let waitingSeconds = 8 * 86_400
    /// Devices named in one reason; the rest are counted.
    package static let devicesNamed = 5
    /// Characters of a device's message repeated in a reason.
    package static let messageCharacters = 160
    /// Commands of one kind between two ticks: the caller carries them out in one transaction, during which nobody else
    /// writes.
    package static let commandsPerStep = 250
    /// Seconds that may pass between two events at most; what is more was a clock that was set, or a registry that was
    /// away and could not hear devices.
    package static let longestStepSeconds = 3600
    /// Seconds of the rollout's clock that may be lost when the registry stops: so often is a quiet rollout written.
    package static let clockSavedSeconds = 60
    /// Milliseconds that starts may lag behind the rate and still be made up for: ticks come about once a second.
    package static let rateLagMilliseconds: Int64 = 2000
    /// Attempts of one device, those that people asked for included.
    package static let attempts = 1000
    /// Devices on each side up to which the exact distribution of a rank test is computed.
    package static let exactDevices = 15
    /// Values on each side that are paired for the interval of a ratio; of more, evenly spaced quantiles stand for all.
    package static let pairedValues = 300
    /// Confidence of bounds where a policy names none.
    package static let confidence = 0.95
}
