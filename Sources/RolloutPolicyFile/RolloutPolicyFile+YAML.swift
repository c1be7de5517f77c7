package import MartletTypes

extension RolloutPolicyFile {
    /// The file that says this; what is as without a file is left out.
    package var yaml: String {
        let empty = RolloutPolicy()
        var text = PolicyWriter()
        text.mapping(
            "target",
            [
                ("fleet", target.fleet?.text), ("selector", target.selector.map { PolicyWriter.quoted($0.text) }),
                ("slot", target.slot?.text),
            ])
        if policy.membership != empty.membership { text.line("membership", policy.membership.rawValue) }
        text.list("order", policy.order.map { PolicyWriter.quoted($0.text) })
        text.items("waves", policy.waves.map(Self.fields))
        if policy.soakSeconds != empty.soakSeconds { text.line("soak", PolicyNotation.duration(policy.soakSeconds)) }
        let usual = policy.thresholds.isEmpty && policy.gates.isEmpty ? empty.maxFailures : nil
        if policy.maxFailures != usual { text.line("maxFailures", policy.maxFailures.map(String.init) ?? "none") }
        text.items("thresholds", policy.thresholds.map(Self.fields))
        text.items("gates", policy.gates.map(Self.fields))
        if let most = policy.maxInFlight { text.line("maxInFlight", String(most)) }
        if let rate = policy.rate { text.mapping("rate", Self.fields(rate)) }
        if let deadline = policy.deviceDeadlineSeconds { text.line("deadline", PolicyNotation.duration(deadline)) }
        if policy.retry != empty.retry { text.mapping("retry", Self.fields(policy.retry)) }
        text.mapping("conditions", Self.fields(policy.conditions))
        if let shadow = policy.shadow { text.mapping("shadow", Self.fields(shadow)) }
        if policy.onFailure != empty.onFailure { text.line("onFailure", policy.onFailure.rawValue) }
        return text.text.isEmpty ? "onFailure: \(policy.onFailure.rawValue)\n" : text.text
    }

    private typealias Fields = [(String, String?)]

    private static func fields(_ wave: RolloutWave) -> Fields {
        [
            ("size", wave.size?.description), ("selector", wave.selector.map { PolicyWriter.quoted($0.text) }),
            ("soak", wave.soakSeconds == 0 ? nil : PolicyNotation.duration(wave.soakSeconds)),
            ("confirm", wave.confirm ? "true" : nil),
        ]
    }

    private static func fields(_ threshold: FailureThreshold) -> Fields {
        let usual = FailureThreshold(maxShare: threshold.maxShare)
        return [
            ("maxShare", PolicyNotation.percent(threshold.maxShare)),
            ("outcomes", threshold.outcomes == usual.outcomes ? nil : flow(threshold.outcomes.map(\.rawValue))),
            ("causes", threshold.causes.isEmpty ? nil : flow(threshold.causes)),
            ("minCompleted", other(threshold.minCompleted, than: usual.minCompleted)),
            (
                "confidence",
                threshold.confidence == usual.confidence ? nil : PolicyNotation.percent(threshold.confidence)
            ),
            ("onFailure", threshold.onFailure?.rawValue),
        ]
    }

    private static func fields(_ gate: RolloutGatePolicy) -> Fields {
        let usual = RolloutGatePolicy(metric: gate.metric)
        return [
            ("metric", gate.metric.rawValue),
            ("max", gate.max.map { PolicyNotation.bound($0, of: gate.metric) }),
            ("min", gate.min.map { PolicyNotation.bound($0, of: gate.metric) }),
            ("baseline", gate.baseline.map { baseline($0, gate.metric) }),
            ("minDevices", other(gate.minDevices, than: usual.minDevices)),
            ("minSamples", other(gate.minSamples, than: usual.minSamples)),
            (
                "interval",
                gate.intervalSeconds == usual.intervalSeconds ? nil : PolicyNotation.duration(gate.intervalSeconds)
            ),
            ("failureLimit", other(gate.failureLimit, than: usual.failureLimit)),
            ("inconclusiveLimit", other(gate.inconclusiveLimit, than: usual.inconclusiveLimit)),
            ("onFailure", gate.onFailure?.rawValue),
        ]
    }

    private static func baseline(_ baseline: RolloutGatePolicy.Baseline, _ metric: RolloutMetric) -> String {
        let worse =
            metric.isProportion
            ? PolicyNotation.percent(baseline.tolerance) : PolicyNotation.percent(above: baseline.tolerance)
        let confidence =
            baseline.confidence == 0.95 ? "" : ", confidence: \(PolicyNotation.percent(baseline.confidence))"
        return "{tolerance: \(worse)\(confidence)}"
    }

    private static func fields(_ rate: RolloutRate) -> Fields {
        [
            ("perMinute", PolicyNotation.number(rate.perMinute)),
            ("growth", rate.growth == 1 ? nil : PolicyNotation.number(rate.growth)),
            ("growAfter", other(rate.growAfter, than: 1)),
            ("maxPerMinute", rate.maxPerMinute.map { PolicyNotation.number($0) }),
        ]
    }

    private static func fields(_ retry: RolloutRetry) -> Fields {
        [
            ("attempts", String(retry.attempts)), ("backoff", PolicyNotation.duration(retry.backoffSeconds)),
            ("maxBackoff", PolicyNotation.duration(retry.maxBackoffSeconds)),
            ("causes", retry.causes.isEmpty ? nil : flow(retry.causes)),
        ]
    }

    private static func fields(_ conditions: UpdateConditions) -> Fields {
        [
            ("windows", conditions.windows.isEmpty ? nil : flow(conditions.windows.map(windowText))),
            ("idle", conditions.idleSeconds.map { PolicyNotation.duration($0) }),
            ("onMains", conditions.onMains ? "true" : nil), ("belowCelsius", conditions.belowCelsius.map(String.init)),
            ("jitter", conditions.jitterSeconds == 0 ? nil : PolicyNotation.duration(conditions.jitterSeconds)),
            ("bandwidth", conditions.bytesPerSecond.map { PolicyNotation.rate($0) }),
        ]
    }

    private static func windowText(_ window: MaintenanceWindow) -> String {
        PolicyWriter.quoted(PolicyNotation.text(window))
    }

    private static func fields(_ shadow: ShadowPolicy) -> Fields {
        let isEmbedding = shadow.comparison == .embedding
        return [
            ("share", thousandths(shadow.sharePermille)), ("comparison", shadow.comparison.rawValue),
            ("minSimilarity", isEmbedding ? thousandths(shadow.minSimilarityPermille) : nil),
            ("samples", String(shadow.samples)), ("maxTime", PolicyNotation.duration(shadow.maxSeconds)),
            ("minAgreement", shadow.minAgreementPermille.map(thousandths)),
        ]
    }

    private static func thousandths(_ value: Int) -> String { PolicyNotation.percent(Double(value) / 1000) }

    private static func other(_ value: Int, than usual: Int) -> String? { value == usual ? nil : String(value) }

    private static func flow(_ items: [String]) -> String { "[\(items.joined(separator: ", "))]" }
}

/// Lines of block YAML.
private struct PolicyWriter {
    private(set) var text = ""

    mutating func line(_ name: String, _ value: String) { text += "\(name): \(value)\n" }

    mutating func list(_ name: String, _ items: [String]) {
        guard !items.isEmpty else { return }
        line(name, "[\(items.joined(separator: ", "))]")
    }

    mutating func mapping(_ name: String, _ fields: [(String, String?)]) {
        let given = fields.compactMap { field in field.1.map { (field.0, $0) } }
        guard !given.isEmpty else { return }
        text += "\(name):\n"
        for (field, value) in given { text += "  \(field): \(value)\n" }
    }

    /// A list of mappings; one of a single `size` is that size.
    mutating func items(_ name: String, _ items: [[(String, String?)]]) {
        guard !items.isEmpty else { return }
        text += "\(name):\n"
        for fields in items {
            let given = fields.compactMap { field in field.1.map { (field.0, $0) } }
            if given.count == 1, given[0].0 == "size" {
                text += "  - \(given[0].1)\n"
                continue
            }
            for (index, field) in given.enumerated() {
                text += (index == 0 ? "  - " : "    ") + "\(field.0): \(field.1)\n"
            }
        }
    }

    /// Selectors and windows hold commas, colons and exclamation marks, and neither quotes nor backslashes.
    static func quoted(_ text: String) -> String { "\"\(text)\"" }
}

extension PolicyNotation {
    /// `20%` for a ratio of 1.2: what is read as this very ratio, where there is such a text.
    static func percent(above ratio: Double) -> String {
        let rough = number(((ratio - 1) * 100_000_000).rounded() / 1_000_000)
        return share(rough + "%").map { 1 + $0 } == ratio ? rough + "%" : percent(ratio - 1)
    }

    /// A gate's bound as the file has it.
    package static func bound(_ value: Double, of metric: RolloutMetric) -> String {
        switch metric.unit {
        case .share: percent(value)
        case .seconds: fine(value)
        case .bytes: size(Int64(min(max(value, 0), 9e15)))
        case .celsius, .count, .perSecond: number(value)
        }
    }
}
