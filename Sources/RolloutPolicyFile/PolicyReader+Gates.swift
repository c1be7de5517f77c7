package import MartletTypes

extension PolicyReader {
    mutating func thresholds(_ value: PolicyValue?) -> [FailureThreshold] {
        (list(value, of: "thresholds, each with a maxShare") ?? []).compactMap { threshold($0) }
    }

    private mutating func threshold(_ item: PolicyValue) -> FailureThreshold? {
        guard let fields = mapping(item, keys: PolicyFields.threshold) else { return nil }
        guard let field = fields["maxShare"] else {
            report(item, "The threshold says no share.", "Add \"maxShare: 5%\".")
            return nil
        }
        var threshold = FailureThreshold(maxShare: share(field, in: 0...1) ?? 0)
        if let outcomes = fields["outcomes"] { threshold.outcomes = self.outcomes(outcomes) }
        threshold.causes = codes(fields["causes"]) ?? threshold.causes
        threshold.minCompleted =
            whole(fields["minCompleted"], in: 1...PolicyFileLimits.devices) ?? threshold.minCompleted
        threshold.confidence = share(fields["confidence"], in: 0.5...0.999) ?? threshold.confidence
        threshold.onFailure = choice(fields["onFailure"], as: RolloutPolicy.OnFailure.self)
        if let causes = fields["causes"], !threshold.outcomes.contains(.failed) {
            report(causes, "Only failed devices have a cause.", "Leave it out, or add failed to the outcomes.")
        }
        return threshold
    }

    private mutating func outcomes(_ value: PolicyValue) -> [RolloutOutcome] {
        let items = list(value, of: "outcomes, e.g. [failed, timedOut]") ?? []
        let outcomes = items.compactMap { choice($0, as: RolloutOutcome.self) }
        if outcomes.isEmpty, items.isEmpty, case .sequence = value.content {
            report(value, "The list is empty.", "Name an outcome, e.g. failed.")
        }
        if outcomes.contains(.succeeded) {
            report(value, "Success is no failure.", "Name outcomes that shall be rare.")
        }
        return outcomes
    }

    // MARK: - Gates

    mutating func gates(_ value: PolicyValue?) -> [RolloutGatePolicy] {
        (list(value, of: "gates, each with a metric") ?? []).compactMap { gate($0) }
    }

    private mutating func gate(_ item: PolicyValue) -> RolloutGatePolicy? {
        guard let fields = mapping(item, keys: PolicyFields.gate) else { return nil }
        guard let field = fields["metric"] else {
            report(item, "The gate says no metric.", "Add \"metric: time_per_output_token.p50\".")
            return nil
        }
        guard let metric = choice(field, as: RolloutMetric.self) else { return nil }
        var gate = RolloutGatePolicy(metric: metric)
        gate.max = quantity(fields["max"], of: metric)
        gate.min = quantity(fields["min"], of: metric)
        gate.baseline = baseline(fields["baseline"], of: metric)
        gate.minDevices = whole(fields["minDevices"], in: 1...PolicyFileLimits.devices) ?? gate.minDevices
        gate.minSamples = whole(fields["minSamples"], in: 1...PolicyFileLimits.devices) ?? gate.minSamples
        gate.intervalSeconds = duration(fields["interval"], in: 1...86_400) ?? gate.intervalSeconds
        gate.failureLimit = whole(fields["failureLimit"], in: 0...1000) ?? gate.failureLimit
        gate.inconclusiveLimit = whole(fields["inconclusiveLimit"], in: 0...10_000) ?? gate.inconclusiveLimit
        gate.onFailure = choice(fields["onFailure"], as: RolloutPolicy.OnFailure.self)
        if fields["max"] == nil, fields["min"] == nil, fields["baseline"] == nil {
            report(item, "The gate demands nothing.", "Add max, min or baseline.")
        }
        if let most = gate.max, let least = gate.min, least > most, let field = fields["min"] {
            report(field, "The least is above the most.", "Write at most what max says.")
        }
        return gate
    }

    private mutating func baseline(_ value: PolicyValue?, of metric: RolloutMetric) -> RolloutGatePolicy.Baseline? {
        guard let value, let fields = mapping(value, keys: PolicyFields.baseline) else { return nil }
        guard metric.hasBaseline else {
            report(
                value, "\(metric.rawValue) has nothing to be compared with: only devices of the rollout have it.",
                "Write \(metric.isBetterHigher ? "min" : "max") in place of baseline.")
            return nil
        }
        guard let field = fields["tolerance"] else {
            report(value, "The baseline says no tolerance.", "Add \"tolerance: 20%\".")
            return nil
        }
        guard let worse = share(field, in: 0...(metric.isProportion ? 1 : 100)) else { return nil }
        let confidence = share(fields["confidence"], in: 0.5...0.999)
        return RolloutGatePolicy.Baseline(
            tolerance: metric.isProportion ? worse : 1 + worse, confidence: confidence ?? 0.95)
    }

    /// A bound in the metric's own unit.
    private mutating func quantity(_ value: PolicyValue?, of metric: RolloutMetric) -> Double? {
        switch metric.unit {
        case .share: share(value, in: 0...1)
        case .seconds: parsed(value, "a time with its unit, e.g. 2s or 80ms") { PolicyNotation.fineSeconds($0) }
        case .bytes: parsed(value, "a size with its unit, e.g. 6GiB") { PolicyNotation.bytes($0).map(Double.init) }
        case .celsius: number(value, in: 0...150)
        case .count, .perSecond: number(value, in: 0...1_000_000)
        }
    }
}

extension RolloutMetric {
    /// What a bound of it is written in.
    package enum Unit: Sendable {
        case share, seconds, bytes, celsius, count, perSecond
    }

    package var unit: Unit {
        switch self {
        case .failureRate, .requestErrorRate, .evaluationAccuracy, .shadowAgreement: .share
        case .requestDuration, .timeToFirstToken, .timePerOutputToken: .seconds
        case .memoryUsed: .bytes
        case .temperature: .celsius
        case .crashCount: .count
        case .tokensPerSecond: .perSecond
        }
    }

    /// Whether devices that do not take part have it too.
    package var hasBaseline: Bool { self != .failureRate && self != .shadowAgreement }
}

extension PolicyNotation {
    /// Seconds of `2s`, `1.5s`, `80ms` or `2m`.
    package static func fineSeconds(_ text: String) -> Double? {
        for (unit, exponent) in [("ms", -3), ("s", 0)] where text.hasSuffix(unit) {
            let seconds = number(String(text.dropLast(unit.count)), timesTenTo: exponent)
            return seconds.flatMap { (0...86_400).contains($0) ? $0 : nil }
        }
        return seconds(text).map(Double.init)
    }

    /// `80ms` or `2s`: what is read as this very value, where there is such a text.
    package static func fine(_ seconds: Double) -> String {
        let milliseconds = number((seconds * 1_000_000).rounded() / 1000)
        let isFine = seconds < 1 && number(milliseconds, timesTenTo: -3) == seconds
        return isFine ? milliseconds + "ms" : number(seconds) + "s"
    }

    /// A metric's value in its unit, for people: `82ms`, `3.1%`, `1.2 GiB`.
    package static func quantity(_ value: Double, of metric: RolloutMetric) -> String {
        switch metric.unit {
        case .share: rounded(value * 100, 1) + "%"
        case .seconds: value < 1 ? rounded(value * 1000, value < 0.01 ? 2 : 0) + "ms" : rounded(value, 2) + "s"
        case .bytes: ByteCount(Int64(min(max(value, 0), 9e15))).description
        case .celsius: rounded(value, 1) + " °C"
        case .count: rounded(value, 2)
        case .perSecond: rounded(value, 1) + "/s"
        }
    }

    private static func rounded(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        var factor = 1.0
        for _ in 0..<digits { factor *= 10 }
        return number((value * factor).rounded() / factor)
    }
}
