package import MartletTypes

/// What a rollout wants done. The caller answers `assign` and `restore` with the event `assigned` or `refused`.
package enum RolloutCommand: Sendable, Hashable, Codable {
    /// Point the device's slot at the target, and remember what it was to run before. For another attempt
    /// (`RolloutMember.attempts` > 0) the assignment must get a new generation although the target is the same:
    /// the device has given up on the old one.
    case assign(DeviceID)
    /// Point the device's slot back at what it was to run before this rollout.
    case restore(DeviceID)
    /// Keep a decision.
    case record(RolloutDecision)
}
