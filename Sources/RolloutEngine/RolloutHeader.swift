package import MartletTypes

/// Why a rollout is in its state, as a stable code.
package enum RolloutCause: String, Sendable, Codable, CaseIterable {
    case notStarted, started, resumed, confirmed, retried
    /// A person paused, aborted or rolled it back.
    case person
    /// More devices failed than `maxFailures`.
    case tooManyFailures
    /// A threshold over completed devices was crossed.
    case thresholdCrossed
    /// A gate failed.
    case gateFailed
    /// A gate had too little data for too long.
    case inconclusive
    /// A wave ended and none of its devices serves the target.
    case nothingKnown
    /// The wave at work was taken back.
    case waveRolledBack
    /// A newer rollout took over.
    case superseded
    /// It is over and devices serve the target.
    case completed
    /// It is over and not one device serves the target: nothing that looks like success.
    case noneSucceeded
}

/// What a running rollout does now.
package enum RolloutPhase: String, Sendable, Codable, CaseIterable {
    /// Devices of the wave are started and awaited.
    case moving
    /// All devices of the wave are through; its soak time runs.
    case soaking
    /// The soak is over; a gate has not passed yet.
    case measuring
    /// The next wave waits for a person.
    case confirming
}

/// What a rollout is, without its devices: small enough to be written at each step.
package struct RolloutHeader: Sendable, Hashable, Codable {
    /// What follows the devices of a wave.
    package struct Wave: Sendable, Hashable, Codable {
        package let soakSeconds: Int
        package let confirm: Bool
    }

    package let id: RolloutID
    /// What the slot shall run; named in reasons only.
    package let target: [ReleasePath]
    package let policy: RolloutPolicy
    /// Decides the order of devices and the jitter of retries.
    package let seed: String
    package internal(set) var state: RolloutState = .draft
    package internal(set) var cause: RolloutCause = .notStarted
    /// Why it is in that state.
    package internal(set) var reason: String
    /// The wave at work, from 0; the number of waves when all are over.
    package internal(set) var wave = 0
    package internal(set) var waves: [Wave]
    /// What a running rollout does now.
    package internal(set) var phase: RolloutPhase = .moving
    /// The gates in the policy's order, each with its newest figures.
    package internal(set) var gates: [GateProgress]
    /// Failures that a person has accepted by resuming.
    package internal(set) var acceptedFailures = 0
    /// The wave up to which a person has accepted that nothing is known.
    package internal(set) var acceptedSilence = -1
    /// What a person has accepted by resuming, for each threshold of the policy.
    var acceptedShares: [AcceptedShare]
    /// The wave that is being taken back alone; nil where it is the whole rollout.
    package internal(set) var waveBeingRolledBack: Int?
    /// Milliseconds of the rollout's own clock at which the phase ends by itself.
    var phaseEnd: Int64?
    /// Milliseconds of the rollout's own clock at which it started.
    var begun: Int64?
    /// When the rate allows the next start.
    var nextStart: Int64 = 0
    /// Commands given since the last tick.
    var batch = 0
    var clock: RolloutClock
    package let created: Timestamp

    package var waveCount: Int { waves.count }
}

/// Where one gate stands in the wave at work.
package struct GateProgress: Sendable, Hashable, Codable {
    /// Measurements in this wave that failed.
    package internal(set) var failures = 0
    /// Measurements after the wave's end that said neither.
    package internal(set) var inconclusive = 0
    /// Whether the wave's end was measured and passed.
    package internal(set) var hasPassed = false
    /// The wave for which a person has accepted what it says.
    package internal(set) var acceptedWave: Int?
    /// The newest figures.
    package internal(set) var figures: GateFigures?
    /// Milliseconds of the rollout's own clock at which the next measurement is due.
    var due: Int64 = 0
}

/// What stood against a threshold when a person resumed the rollout.
struct AcceptedShare: Sendable, Hashable, Codable {
    var count = 0
    var completed = 0
}
