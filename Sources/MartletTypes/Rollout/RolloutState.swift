/// Where a device stands in a rollout (DESIGN section 6).
package enum DeviceRolloutState: String, Sendable, Codable, CaseIterable {
    case pending, offered, downloading, verifying, probing, switching, soaking, succeeded
    case failed, rolledBack, skipped, unreachable, superseded

    /// Whether the device's part is over.
    package var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .rolledBack, .skipped, .unreachable, .superseded: true
        default: false
        }
    }

    /// Whether the device is at work on the rollout now.
    package var isInFlight: Bool { !isFinal && self != .pending }
}

/// The state of a rollout (DESIGN section 6).
package enum RolloutState: String, Sendable, Codable, CaseIterable {
    case draft, running, paused, completed, rollingBack, rolledBack, aborted

    /// Whether nothing more will happen.
    package var isFinal: Bool { self == .completed || self == .rolledBack || self == .aborted }
}
