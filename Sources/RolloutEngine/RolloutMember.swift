package import MartletTypes

/// One device's part in a rollout.
package struct RolloutMember: Sendable, Hashable, Codable {
    /// How far going back is.
    package enum Restore: String, Sendable, Codable {
        /// Asked for, not yet assigned.
        case wanted
        /// Assigned; the device has not said that it is back.
        case assigned
        /// Over, one way or the other.
        case done
    }

    package let device: DeviceID
    /// The wave that it belongs to, from 0.
    package let wave: Int
    package internal(set) var state: DeviceRolloutState = .pending
    /// Why it is in that state, as a stable code, e.g. `evaluationFailed`, `timedOut`.
    package internal(set) var code: String?
    package internal(set) var message: String?
    package internal(set) var evaluation: EvaluationResult?
    /// When the state changed last.
    package internal(set) var updated: Timestamp
    /// When it was offered the target, or told to go back; from here its deadline runs.
    package internal(set) var since: Timestamp?
    /// The assignment number by which it was moved; reports about another are not about this rollout.
    package internal(set) var generation: Int64?
    /// Whether it has reported about this rollout at all.
    package internal(set) var wasHeard = false
    package internal(set) var restore: Restore?
    /// The assignment number by which it was taken back.
    package internal(set) var restoreGeneration: Int64?
    /// Who owns its slot now, where that is not this rollout any more.
    package internal(set) var takenBy: String?

    init(device: DeviceID, wave: Int, now: Timestamp) {
        self.device = device
        self.wave = wave
        updated = now
    }

    /// Whether it is at work on the target now: what `maxInFlight` bounds.
    package var isInFlight: Bool { state.isInFlight && restore == nil }
    /// Whether it tried the target and did not come to serve it.
    package var hasFailed: Bool { (state == .failed || state == .rolledBack) && restore == nil }
    /// Whether it is on its way back.
    var isRestoring: Bool { restore == .wanted || restore == .assigned }
    /// Whether a report can still change it although its part is over: it was given up, not finished.
    var wasGivenUp: Bool { state == .unreachable || (state == .failed && code == RolloutCode.timedOut) }
}

/// Codes that the engine itself gives to a device's state; all others come from the device.
package enum RolloutCode {
    /// Heard of, but not done within the deadline.
    package static let timedOut = "timedOut"
    /// Not heard of within the deadline.
    package static let silent = "silent"
    /// Revoked or deleted.
    package static let deviceGone = "deviceGone"
    /// Its turn had not come when the rollout ended.
    package static let rolloutEnded = "rolloutEnded"
    /// A newer rollout or a person moved its slot.
    package static let superseded = "superseded"
    /// Told to go back, and not heard of within the deadline.
    package static let restoreUnconfirmed = "restoreUnconfirmed"
}
