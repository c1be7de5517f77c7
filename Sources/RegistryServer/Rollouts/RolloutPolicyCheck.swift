import MartletTypes

/// Whether a policy can be carried out: field by field, the first that cannot is named by its JSON pointer.
struct RolloutPolicyCheck {
    private static let devices = 1_000_000
    private static let year = 31_536_000

    private let root = "/policy"

    /// Throws 400 `badRequest` with the field, what is wrong with it and what to write.
    static func require(_ policy: RolloutPolicy) throws { try RolloutPolicyCheck().check(policy) }

    private func check(_ policy: RolloutPolicy) throws {
        try whole(policy.soakSeconds, in: 0...86_400, "/soakSeconds")
        try whole(policy.maxFailures, in: 0...Self.devices, "/maxFailures")
        try whole(policy.maxInFlight, in: 1...Self.devices, "/maxInFlight")
        try whole(policy.deviceDeadlineSeconds, in: 1...Self.year, "/deviceDeadlineSeconds")
        try count(policy.waves.count, "/waves")
        try count(policy.order.count, "/order")
        try count(policy.thresholds.count, "/thresholds")
        try count(policy.gates.count, "/gates")
        try check(policy.waves)
        if let rate = policy.rate { try check(rate) }
        try check(policy.retry)
        for (index, threshold) in policy.thresholds.enumerated() { try check(threshold, "/thresholds/\(index)") }
        for (index, gate) in policy.gates.enumerated() { try check(gate, "/gates/\(index)") }
        try check(policy.conditions)
        if let shadow = policy.shadow { try check(shadow) }
        try checkShadowGate(policy)
    }

    private func check(_ waves: [RolloutWave]) throws {
        var last: RolloutPolicy.WaveSize?
        for (index, wave) in waves.enumerated() {
            let path = "/waves/\(index)"
            try whole(wave.soakSeconds, in: 0...(30 * 86_400), path + "/soakSeconds")
            if wave.size == nil, wave.selector == nil {
                throw wrong(path, "A wave has neither a size nor a selector.", "Give it a size such as 10%.")
            }
            switch wave.size {
            case .count(let value): try whole(value, in: 1...Self.devices, path + "/size")
            case .percent(let value):
                guard value > 0, value <= 100 else {
                    throw wrong(path + "/size", "The share is not above 0 and at most 100 %.", "Write e.g. 10%.")
                }
            case nil: break
            }
            guard wave.selector == nil, let size = wave.size else { continue }
            if Self.falls(from: last, to: size) {
                throw wrong(
                    path, "The wave ends before the one ahead of it, at \(last?.description ?? "").",
                    "Sizes count from the beginning: 10%, 50%, 100%.")
            }
            last = size
        }
    }

    private static func falls(from last: RolloutPolicy.WaveSize?, to size: RolloutPolicy.WaveSize) -> Bool {
        switch (last, size) {
        case (.count(let before), .count(let now)): now <= before
        case (.percent(let before), .percent(let now)): now <= before
        default: false
        }
    }

    private func check(_ rate: RolloutRate) throws {
        let bounds = 0.001...Double(Self.devices)
        try number(rate.perMinute, in: bounds, "/rate/perMinute")
        try number(rate.growth, in: 1...100, "/rate/growth")
        try whole(rate.growAfter, in: 1...Self.devices, "/rate/growAfter")
        try number(rate.maxPerMinute, in: bounds, "/rate/maxPerMinute")
        if let most = rate.maxPerMinute, most < rate.perMinute {
            throw wrong(
                "/rate/maxPerMinute", "The rate begins above its maximum.", "Write at least \(rate.perMinute).")
        }
    }

    private func check(_ retry: RolloutRetry) throws {
        try whole(retry.attempts, in: 0...100, "/retry/attempts")
        try whole(retry.backoffSeconds, in: 1...86_400, "/retry/backoffSeconds")
        try whole(retry.maxBackoffSeconds, in: 1...604_800, "/retry/maxBackoffSeconds")
        try count(retry.causes.count, "/retry/causes")
        if retry.maxBackoffSeconds < retry.backoffSeconds {
            throw wrong(
                "/retry/maxBackoffSeconds", "The longest wait is shorter than the first.",
                "Write at least \(retry.backoffSeconds).")
        }
    }

    private func check(_ threshold: FailureThreshold, _ path: String) throws {
        if threshold.outcomes.isEmpty {
            throw wrong(path + "/outcomes", "The threshold counts no outcome.", "Name e.g. failed and timedOut.")
        }
        if threshold.outcomes.contains(.succeeded) {
            throw wrong(path + "/outcomes", "Success is nothing to stop for.", "Name e.g. failed and timedOut.")
        }
        try count(threshold.causes.count, path + "/causes")
        try number(threshold.maxShare, in: 0...1, path + "/maxShare")
        try whole(threshold.minCompleted, in: 1...Self.devices, path + "/minCompleted")
        try number(threshold.confidence, in: 0.5...0.999, path + "/confidence")
    }

    private func check(_ gate: RolloutGatePolicy, _ path: String) throws {
        guard gate.max != nil || gate.min != nil || gate.baseline != nil else {
            throw wrong(path, "The gate has no bound.", "Give it max, min or baseline.")
        }
        let bounds = gate.metric.isProportion ? 0.0...1.0 : 0.0...1e15
        try number(gate.max, in: bounds, path + "/max")
        try number(gate.min, in: bounds, path + "/min")
        if let most = gate.max, let least = gate.min, least > most {
            throw wrong(path + "/min", "The least is above the most.", "Write at most \(most).")
        }
        if let baseline = gate.baseline {
            let tolerances = gate.metric.isProportion ? 0.0...1.0 : 1.0...1000.0
            try number(baseline.tolerance, in: tolerances, path + "/baseline/tolerance")
            try number(baseline.confidence, in: 0.5...0.999, path + "/baseline/confidence")
        }
        try whole(gate.minDevices, in: 1...Self.devices, path + "/minDevices")
        try whole(gate.minSamples, in: 0...Self.devices, path + "/minSamples")
        try whole(gate.intervalSeconds, in: 1...86_400, path + "/intervalSeconds")
        try whole(gate.failureLimit, in: 0...10_000, path + "/failureLimit")
        try whole(gate.inconclusiveLimit, in: 0...10_000, path + "/inconclusiveLimit")
    }

    private func check(_ conditions: UpdateConditions) throws {
        try count(conditions.windows.count, "/conditions/windows")
        for (index, window) in conditions.windows.enumerated() {
            let path = "/conditions/windows/\(index)"
            try whole(window.startMinute, in: 0...1439, path + "/startMinute")
            try whole(window.minutes, in: 1...1440, path + "/minutes")
            guard window.days.allSatisfy((1...7).contains), Set(window.days).count == window.days.count else {
                throw wrong(path + "/days", "The days are not 1 to 7, each once.", "1 is Monday, 7 is Sunday.")
            }
        }
        try whole(conditions.idleSeconds, in: 0...86_400, "/conditions/idleSeconds")
        try whole(conditions.belowCelsius, in: -40...150, "/conditions/belowCelsius")
        try whole(conditions.jitterSeconds, in: 0...86_400, "/conditions/jitterSeconds")
        if let rate = conditions.bytesPerSecond, !(1024...1_000_000_000_000).contains(rate) {
            throw wrong(
                "/conditions/bytesPerSecond", "\(rate) is not between 1024 and 10¹² bytes per second.",
                "Leave it out to use the device's own limit.")
        }
    }

    private func check(_ shadow: ShadowPolicy) throws {
        try whole(shadow.sharePermille, in: 1...1000, "/shadow/sharePermille")
        try whole(shadow.minSimilarityPermille, in: 0...1000, "/shadow/minSimilarityPermille")
        try whole(shadow.samples, in: 1...100_000, "/shadow/samples")
        try whole(shadow.maxSeconds, in: 1...(7 * 86_400), "/shadow/maxSeconds")
        try whole(shadow.minAgreementPermille, in: 0...1000, "/shadow/minAgreementPermille")
    }

    /// A gate over what nobody measures would wait for ever.
    private func checkShadowGate(_ policy: RolloutPolicy) throws {
        let gate = policy.gates.firstIndex { $0.metric == .shadowAgreement }
        guard policy.shadow == nil, let gate else { return }
        throw wrong(
            "/gates/\(gate)/metric", "The gate looks at shadowed answers, and nothing is shadowed.",
            "Add shadow to the policy.")
    }

    // MARK: - Bounds

    private func whole(_ value: Int?, in range: ClosedRange<Int>, _ path: String) throws {
        guard let value, !range.contains(value) else { return }
        throw wrong(
            path, "\(value) is not between \(range.lowerBound) and \(range.upperBound).", "Choose a value between them."
        )
    }

    private func number(_ value: Double?, in range: ClosedRange<Double>, _ path: String) throws {
        guard let value, !range.contains(value) else { return }
        throw wrong(
            path, "\(value) is not between \(range.lowerBound) and \(range.upperBound).", "Choose a value between them."
        )
    }

    private func count(_ count: Int, _ path: String) throws {
        guard count > Limits.rolloutPolicyParts else { return }
        throw wrong(path, "\(count) are more than \(Limits.rolloutPolicyParts).", "Keep fewer.")
    }

    private func wrong(_ path: String, _ message: String, _ remedy: String) -> ServerError {
        .badRequest("\(root)\(path): \(message)", remedy: remedy, field: root + path)
    }
}
