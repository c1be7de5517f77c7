/// Bounds of the engine, each with its reason.
package enum RolloutLimits {
    /// Seconds a device has to confirm that it went back, where the policy sets no deadline: a rollback needs no
    /// download, and a box that is switched off must not keep the rollout open for ever.
    package static let restoreSeconds = 600
    /// Devices named in one reason; the rest are counted.
    package static let devicesNamed = 5
    /// Characters of a device's message repeated in a reason.
    package static let messageCharacters = 160
}
