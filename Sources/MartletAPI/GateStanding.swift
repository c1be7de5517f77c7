package import MartletTypes

/// The numbers of one measurement of a gate, as the rollout engine found them.
package struct GateResult: Sendable, Hashable, Codable {
    /// Of which metric.
    package var gate: RolloutMetric
    /// `passed`, `failed`, or `inconclusive` where there was too little data.
    package var verdict: String
    /// How it was found, e.g. `mannWhitney`.
    package var method: String
    /// What the updated devices measured: their median, mean or pooled share.
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
    /// Updated and baseline devices that counted.
    package var devices: Int
    package var baselineDevices: Int
    /// The worst of the updated devices, some of them.
    package var worst: [DeviceID]
    /// All of it in a sentence.
    package var sentence: String

    package init(gate: RolloutMetric, verdict: String, method: String, sentence: String) {
        self.gate = gate
        self.verdict = verdict
        self.method = method
        self.sentence = sentence
        devices = 0
        baselineDevices = 0
        worst = []
    }
}

/// How a gate of a rollout's policy stands in the wave at work.
package struct GateStanding: Sendable, Hashable, Codable {
    /// The gate as the policy has it.
    package var gate: RolloutGatePolicy
    /// Measurements in this wave that failed.
    package var failures: Int
    /// Measurements after the wave's end that had too little data.
    package var inconclusive: Int
    /// Whether the wave's end was measured and passed.
    package var hasPassed: Bool
    /// The newest measurement; nil before the first.
    package var result: GateResult?

    package init(
        gate: RolloutGatePolicy, failures: Int = 0, inconclusive: Int = 0, hasPassed: Bool = false,
        result: GateResult? = nil
    ) {
        self.gate = gate
        self.failures = failures
        self.inconclusive = inconclusive
        self.hasPassed = hasPassed
        self.result = result
    }
}
