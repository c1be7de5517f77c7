package import MartletTypes

/// A decision with its reason.
package struct RolloutDecision: Sendable, Hashable, Codable {
    /// What can be decided.
    package enum Action: String, Sendable, Codable, CaseIterable {
        case start, startWave, timeOut, pause, resume, rollBack, rolledBack, complete, abort
        /// All devices of a wave are through; what is waited for before the next one.
        case soak, measure, awaitConfirmation
        /// A person let the next wave start.
        case confirm
        /// A person has devices tried again.
        case retry
        /// Devices joined the last wave.
        case join
        /// A device is held out, or let in again.
        case hold, release
        /// What a gate said: recorded where it changes its mind, and each time that it counts against the rollout.
        case gatePassed, gateFailed, gateInconclusive
    }

    package var time: Timestamp
    package var action: Action
    /// A sentence with devices and numbers.
    package var reason: String
    /// The numbers, where a gate decided.
    package var figures: GateFigures?

    package init(time: Timestamp, action: Action, reason: String, figures: GateFigures? = nil) {
        self.time = time
        self.action = action
        self.reason = reason
        self.figures = figures
    }
}

/// What a gate found, in numbers.
package struct GateFigures: Sendable, Hashable, Codable {
    package enum Verdict: String, Sendable, Codable, CaseIterable {
        case passed, failed
        /// Not enough data, or data that says neither.
        case inconclusive
    }

    /// How it was found; the names are explained in `docs/rollouts.md`.
    package enum Method: String, Sendable, Codable, CaseIterable {
        /// The median device against a fixed bound.
        case median
        /// The mean over devices against a fixed bound, for counts.
        case mean
        /// Wilson's interval of a share against a fixed bound.
        case wilson
        /// Candidates against not-yet-updated devices, ranked within their groups.
        case mannWhitney
        /// Each device against its own previous generation, ranked.
        case signedRank
        /// Newcombe's interval of the difference of two shares.
        case newcombe
        /// Too few devices for a test: the effect alone.
        case effectOnly
        /// There was nothing to judge.
        case none
    }

    package var gate: RolloutMetric
    package var verdict: Verdict
    package var method: Method
    /// What the candidates measured: their median, mean or pooled share.
    package var value: Double?
    /// What they were compared with.
    package var baseline: Double?
    /// The bound that `value` (fixed bounds) or `effect` (baselines) must keep.
    package var bound: Double?
    /// Ratio to the baseline, or, for shares, the difference.
    package var effect: Double?
    /// The interval of `effect`, or, for shares with a fixed bound, of `value`.
    package var low: Double?
    package var high: Double?
    /// Probability of such data if the tolerance were kept.
    package var probability: Double?
    /// Candidates and baseline devices that counted.
    package var devices: Int
    package var baselineDevices: Int
    /// The worst candidates, at most `RolloutLimits.devicesNamed`.
    package var worst: [DeviceID]
    /// The sentence.
    package var sentence: String

    package init(gate: RolloutMetric, verdict: Verdict, method: Method, sentence: String = "") {
        self.gate = gate
        self.verdict = verdict
        self.method = method
        self.sentence = sentence
        devices = 0
        baselineDevices = 0
        worst = []
    }
}
