package import MartletTypes

/// What a rollout wants done. The caller answers `assign` and `restore` with the event `assigned` or `refused`.
package enum RolloutCommand: Sendable, Hashable, Codable {
    /// Point the device's slot at the target, and remember what it was to run before.
    case assign(DeviceID)
    /// Point the device's slot back at what it was to run before this rollout.
    case restore(DeviceID)
    /// Keep a decision.
    case record(RolloutDecision)
}

/// A decision with its reason.
package struct RolloutDecision: Sendable, Hashable, Codable {
    /// What can be decided.
    package enum Action: String, Sendable, Codable, CaseIterable {
        case start, startWave, timeOut, pause, resume, rollBack, rolledBack, complete, abort
    }

    package var time: Timestamp
    package var action: Action
    /// A sentence with devices and numbers.
    package var reason: String

    package init(time: Timestamp, action: Action, reason: String) {
        self.time = time
        self.action = action
        self.reason = reason
    }
}
