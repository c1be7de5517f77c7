package import MartletTypes

/// One device's part in a rollout. Compact: a rollout may have a million.
package struct RolloutMember: Sendable, Hashable {
    /// How far going back is.
    package enum Restore: String, Sendable, Codable {
        /// Asked for, not yet assigned.
        case wanted
        /// Assigned; the device has not said that it is back.
        case assigned
        /// Over, one way or the other.
        case done
    }

    /// What only some devices have, kept apart so that the others do not pay for it.
    struct Details: Sendable, Hashable {
        var code: String?
        var message: String?
        var evaluation: EvaluationResult?
        var shadow: ShadowResult?
        var takenBy: String?
        var lastFailure: String?
        /// Milliseconds of its deadline that were left when it began to wait.
        var left: Int64 = 0
        /// Milliseconds that it has waited before.
        var waited: Int64 = 0
    }

    /// Shared until changed.
    private final class Box: Sendable, Hashable {
        let details: Details

        init(_ details: Details) { self.details = details }

        static func == (left: Box, right: Box) -> Bool { left === right || left.details == right.details }
        func hash(into hasher: inout Hasher) { hasher.combine(details) }
    }

    /// No moment of the rollout's clock.
    static let never = Int64.max

    package let device: DeviceID
    private var box: Box?
    /// When the state changed last.
    package internal(set) var updated: Timestamp
    /// When, by the rollout's clock, it is given up, or, while it is pending, tried again.
    var due = never
    private var assignedAs: Int64 = -1
    private var restoredAs: Int64 = -1
    private let waveNumber: Int32
    private var tries: Int16 = 0
    package internal(set) var state: DeviceRolloutState = .pending
    package internal(set) var restore: Restore?
    /// Whether it has reported about this rollout at all.
    package internal(set) var wasHeard = false
    /// Whether it was offered the target.
    package internal(set) var wasOffered = false
    /// Whether its slot points at the target: rolling back concerns it.
    package internal(set) var isMoved = false
    /// Whether it waits for its conditions; its deadline stands still.
    package internal(set) var isWaiting = false
    /// Whether the target was refused for it: it is not sent there again.
    package internal(set) var isRefused = false
    /// Whether a person keeps it, or this slot of it, out.
    package internal(set) var isHeld = false

    init(device: DeviceID, wave: Int, now: Timestamp) {
        self.device = device
        waveNumber = Int32(clamping: wave)
        updated = now
    }

    init(_ candidate: RolloutCandidate, wave: Int, now: Timestamp) {
        self.init(device: candidate.device, wave: wave, now: now)
        guard let exclusion = candidate.exclusion else { return }
        state = .skipped
        isHeld = true
        code = exclusion.code
        message = exclusion.message
    }

    var details: Details {
        get { box?.details ?? Details() }
        set { box = newValue == Details() ? nil : Box(newValue) }
    }

    /// The wave that it belongs to, from 0.
    package var wave: Int { Int(waveNumber) }
    /// Attempts before the present one.
    package internal(set) var attempts: Int {
        get { Int(tries) }
        set { tries = Int16(clamping: newValue) }
    }
    /// Why it is in that state, as a stable code, e.g. `evaluationFailed`, `timedOut`.
    package internal(set) var code: String? {
        get { box?.details.code }
        set { details.code = newValue }
    }
    package internal(set) var message: String? {
        get { box?.details.message }
        set { details.message = newValue }
    }
    package internal(set) var evaluation: EvaluationResult? {
        get { box?.details.evaluation }
        set { details.evaluation = newValue }
    }
    package internal(set) var shadow: ShadowResult? {
        get { box?.details.shadow }
        set { details.shadow = newValue }
    }
    /// Why its attempt before this one failed, as code and message; nil where there was none.
    package internal(set) var lastFailure: String? {
        get { box?.details.lastFailure }
        set { details.lastFailure = newValue }
    }
    /// Who owns its slot now, where that is not this rollout any more.
    package internal(set) var takenBy: String? {
        get { box?.details.takenBy }
        set { details.takenBy = newValue }
    }
    /// The assignment number by which it was moved; reports about another are not about this rollout.
    package internal(set) var generation: Int64? {
        get { assignedAs < 0 ? nil : assignedAs }
        set { assignedAs = newValue ?? -1 }
    }
    /// The assignment number by which it was taken back.
    package internal(set) var restoreGeneration: Int64? {
        get { restoredAs < 0 ? nil : restoredAs }
        set { restoredAs = newValue ?? -1 }
    }
}

extension RolloutMember {
    /// Whether it is at work on the target now: what `maxInFlight` bounds.
    package var isInFlight: Bool { state.isInFlight && restore == nil }
    /// Whether it tried the target and did not come to serve it.
    package var hasFailed: Bool { outcome == .failed || outcome == .timedOut }
    /// Whether it is on its way back.
    package var isRestoring: Bool { restore == .wanted || restore == .assigned }
    /// Whether it is to be tried again: after a failure, or when a person let it in again.
    package var isWaitingForRetry: Bool { state == .pending && due != Self.never }
    /// Whether a report can still change it although its part is over: it was given up, not finished.
    var wasGivenUp: Bool { state == .unreachable || (state == .failed && code == RolloutCode.timedOut) }

    /// Remembers why the attempt that ends failed.
    mutating func keepFailure() {
        let parts = [code, message].compactMap(\.self).filter { !$0.isEmpty }
        lastFailure = parts.isEmpty ? nil : parts.joined(separator: ": ")
    }

    /// How its part came out; nil while it is not over, and once it was taken back.
    package var outcome: RolloutOutcome? {
        guard restore == nil else { return nil }
        switch state {
        case .succeeded: return .succeeded
        case .failed: return isRefused ? .refused : code == RolloutCode.timedOut ? .timedOut : .failed
        case .rolledBack: return .failed
        case .unreachable: return .unreachable
        case .skipped: return isRefused ? .refused : .skipped
        case .superseded: return .skipped
        case .pending, .offered, .downloading, .verifying, .probing, .switching, .soaking: return nil
        }
    }
}
