/// What a gate looks at. Raw values are the names in policies, answers and reports.
package enum RolloutMetric: String, Sendable, Codable, CaseIterable, CodingKeyRepresentable {
    /// Share of completed devices that failed or timed out.
    case failureRate = "failure.rate"
    /// Crashes of the engine per device since the switch.
    case crashCount = "crash.count"
    /// Share of requests that failed.
    case requestErrorRate = "request.error_rate"
    /// Seconds of a request, 95th percentile.
    case requestDuration = "request.duration.p95"
    /// Seconds to the first token, 95th percentile.
    case timeToFirstToken = "time_to_first_token.p95"
    /// Seconds for each output token after the first, median: what latency gates should go by, for the mix of prompts
    /// does not bias it.
    case timePerOutputToken = "time_per_output_token.p50"
    /// Output tokens per second of generation: the inverse of the median time per output token.
    case tokensPerSecond = "tokens_per_second"
    /// Bytes of memory in use.
    case memoryUsed = "memory.used"
    /// Degrees Celsius, highest.
    case temperature = "temperature"
    /// Share of right answers of the evaluation set on the device.
    case evaluationAccuracy = "eval.accuracy"
    /// Share of shadowed answers that agree.
    case shadowAgreement = "shadow.agreement"

    /// Whether more of it is better.
    package var isBetterHigher: Bool {
        switch self {
        case .tokensPerSecond, .evaluationAccuracy, .shadowAgreement: true
        default: false
        }
    }

    /// Whether it is a share of counted events, which a two-proportion test compares; else devices' values are ranked.
    package var isProportion: Bool {
        switch self {
        case .failureRate, .requestErrorRate, .evaluationAccuracy, .shadowAgreement: true
        default: false
        }
    }
}

/// A condition on what the devices of a rollout measure.
package struct RolloutGatePolicy: Sendable, Hashable {
    /// A comparison with devices of the same fleet and profile that are not updated yet, or, where they are too few,
    /// with each device's own previous generation.
    package struct Baseline: Sendable, Hashable, Codable {
        /// How much worse than the baseline is tolerated, as a ratio: 1.2 allows 20 % more (or, where more is better,
        /// one divided by it). For shares it is the difference that is allowed in percentage points divided by 100.
        package var tolerance: Double
        /// Confidence of the test, 0.5 to 0.999.
        package var confidence: Double

        package init(tolerance: Double, confidence: Double = 0.95) {
            self.tolerance = tolerance
            self.confidence = confidence
        }
    }

    package var metric: RolloutMetric
    /// The most that is allowed; nil has no bound.
    package var max: Double?
    /// The least that is allowed; nil has no bound.
    package var min: Double?
    /// The comparison with a baseline, if any.
    package var baseline: Baseline?
    /// Devices that must have measured before it is judged, on each side.
    package var minDevices: Int
    /// Requests, rows or answers that a device must have had to count.
    package var minSamples: Int
    /// Seconds between two measurements.
    package var intervalSeconds: Int
    /// Failed measurements that are let pass before the gate fails.
    package var failureLimit: Int
    /// Measurements without enough data before the rollout pauses for a person.
    package var inconclusiveLimit: Int
    /// What follows; nil takes the policy's.
    package var onFailure: RolloutPolicy.OnFailure?

    package init(
        metric: RolloutMetric, max: Double? = nil, min: Double? = nil, baseline: Baseline? = nil, minDevices: Int = 1,
        minSamples: Int = 20, intervalSeconds: Int = 60, failureLimit: Int = 0, inconclusiveLimit: Int = 10,
        onFailure: RolloutPolicy.OnFailure? = nil
    ) {
        self.metric = metric
        self.max = max
        self.min = min
        self.baseline = baseline
        self.minDevices = minDevices
        self.minSamples = minSamples
        self.intervalSeconds = intervalSeconds
        self.failureLimit = failureLimit
        self.inconclusiveLimit = inconclusiveLimit
        self.onFailure = onFailure
    }
}

extension RolloutGatePolicy: Codable {
    private enum CodingKeys: String, CodingKey {
        case metric, max, min, baseline, minDevices, minSamples, intervalSeconds, failureLimit, inconclusiveLimit
        case onFailure
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(metric: try fields.decode(RolloutMetric.self, forKey: .metric))
        max = try fields.decodeIfPresent(Double.self, forKey: .max)
        min = try fields.decodeIfPresent(Double.self, forKey: .min)
        baseline = try fields.decodeIfPresent(Baseline.self, forKey: .baseline)
        minDevices = try fields.decodeIfPresent(Int.self, forKey: .minDevices) ?? minDevices
        minSamples = try fields.decodeIfPresent(Int.self, forKey: .minSamples) ?? minSamples
        intervalSeconds = try fields.decodeIfPresent(Int.self, forKey: .intervalSeconds) ?? intervalSeconds
        failureLimit = try fields.decodeIfPresent(Int.self, forKey: .failureLimit) ?? failureLimit
        inconclusiveLimit = try fields.decodeIfPresent(Int.self, forKey: .inconclusiveLimit) ?? inconclusiveLimit
        onFailure = try fields.decodeIfPresent(RolloutPolicy.OnFailure.self, forKey: .onFailure)
    }
}
