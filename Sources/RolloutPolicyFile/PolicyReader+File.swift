import MartletTypes

extension PolicyReader {
    /// The whole file. Where `issues` is not empty after it, what it answers is of no use.
    mutating func file(_ root: PolicyValue) -> RolloutPolicyFile {
        guard let fields = mapping(root, keys: PolicyFields.file) else { return RolloutPolicyFile() }
        var policy = RolloutPolicy()
        policy.membership = choice(fields["membership"], as: RolloutPolicy.Membership.self) ?? policy.membership
        policy.order = selectors(fields["order"])
        policy.waves = waves(fields["waves"])
        policy.soakSeconds = duration(fields["soak"], in: 0...86_400) ?? policy.soakSeconds
        policy.thresholds = thresholds(fields["thresholds"])
        policy.gates = gates(fields["gates"])
        policy.maxFailures = maxFailures(fields["maxFailures"], policy)
        policy.maxInFlight = whole(fields["maxInFlight"], in: 1...PolicyFileLimits.devices)
        policy.rate = rate(fields["rate"])
        policy.deviceDeadlineSeconds = duration(fields["deadline"], in: 1...31_536_000)
        policy.retry = retry(fields["retry"])
        policy.conditions = conditions(fields["conditions"])
        policy.shadow = shadow(fields["shadow"])
        if let gates = fields["gates"], policy.shadow == nil, fields["shadow"] == nil,
            policy.gates.contains(where: { $0.metric == .shadowAgreement })
        {
            report(gates, "A gate looks at shadowed answers, and nothing is shadowed.", "Add \"shadow: {share: 10%}\".")
        }
        policy.onFailure = choice(fields["onFailure"], as: RolloutPolicy.OnFailure.self) ?? policy.onFailure
        return RolloutPolicyFile(target: target(fields["target"]), policy: policy)
    }

    private mutating func target(_ value: PolicyValue?) -> RolloutPolicyFile.Target {
        guard let value, let fields = mapping(value, keys: PolicyFields.target) else { return .init() }
        if let selector = fields["selector"], fields["fleet"] != nil {
            report(selector, "The target has a fleet and a selector.", "Keep one of them.")
        }
        return RolloutPolicyFile.Target(
            fleet: name(fields["fleet"], as: FleetName.self),
            selector: name(fields["selector"], as: LabelSelector.self), slot: name(fields["slot"], as: SlotName.self))
    }

    private mutating func selectors(_ value: PolicyValue?) -> [LabelSelector] {
        let items = list(value, of: "selectors, e.g. [ring=canary]") ?? []
        return items.compactMap { name($0, as: LabelSelector.self) }
    }

    /// `none` leaves it to thresholds and gates. Whoever states those and no count wants no count.
    private mutating func maxFailures(_ value: PolicyValue?, _ policy: RolloutPolicy) -> Int? {
        guard let value else { return policy.thresholds.isEmpty && policy.gates.isEmpty ? policy.maxFailures : nil }
        if case .scalar("none", _) = value.content { return nil }
        return whole(value, in: 0...PolicyFileLimits.devices)
    }

    private mutating func rate(_ value: PolicyValue?) -> RolloutRate? {
        guard let value, let fields = mapping(value, keys: PolicyFields.rate) else { return nil }
        let bounds = 0.001...Double(PolicyFileLimits.devices)
        guard let start = fields["perMinute"] else {
            report(value, "The rate says no beginning.", "Add \"perMinute: 10\".")
            return nil
        }
        guard let perMinute = number(start, in: bounds) else { return nil }
        var rate = RolloutRate(perMinute: perMinute)
        rate.growth = number(fields["growth"], in: 1...100) ?? rate.growth
        rate.growAfter = whole(fields["growAfter"], in: 1...PolicyFileLimits.devices) ?? rate.growAfter
        rate.maxPerMinute = number(fields["maxPerMinute"], in: bounds)
        if let most = rate.maxPerMinute, most < perMinute, let field = fields["maxPerMinute"] {
            report(field, "The rate begins above its maximum.", "Write at least \(PolicyNotation.number(perMinute)).")
        }
        return rate
    }

    private mutating func retry(_ value: PolicyValue?) -> RolloutRetry {
        var retry = RolloutRetry()
        guard let value, let fields = mapping(value, keys: PolicyFields.retry) else { return retry }
        retry.attempts = whole(fields["attempts"], in: 0...100) ?? retry.attempts
        retry.backoffSeconds = duration(fields["backoff"], in: 1...86_400) ?? retry.backoffSeconds
        retry.maxBackoffSeconds =
            duration(fields["maxBackoff"], in: 1...604_800) ?? max(retry.maxBackoffSeconds, retry.backoffSeconds)
        retry.causes = codes(fields["causes"]) ?? retry.causes
        if let field = fields["maxBackoff"], retry.maxBackoffSeconds < retry.backoffSeconds {
            let least = PolicyNotation.duration(retry.backoffSeconds)
            report(field, "The longest wait is shorter than the first.", "Write at least \(least).")
        }
        return retry
    }

    // MARK: - Waves

    private mutating func waves(_ value: PolicyValue?) -> [RolloutWave] {
        var waves: [RolloutWave] = []
        var last: RolloutPolicy.WaveSize?
        for item in list(value, of: "waves, e.g. [1, 10%, 50%]") ?? [] {
            guard let wave = wave(item) else { continue }
            // Those of a selector stand apart: they take the devices that match.
            if let size = wave.size, wave.selector == nil {
                if Self.endsWith(size, last) {
                    report(
                        item, "The wave ends no later than the one above it, at \(last?.description ?? "").",
                        "Sizes count from the beginning: 10%, 50%, 100%.")
                }
                last = size
            }
            waves.append(wave)
        }
        return waves
    }

    private mutating func wave(_ item: PolicyValue) -> RolloutWave? {
        guard case .mapping = item.content else { return size(item).map { RolloutWave(size: $0) } }
        guard let fields = mapping(item, keys: PolicyFields.wave) else { return nil }
        guard fields["size"] != nil || fields["selector"] != nil else {
            report(
                item, "The wave has neither a size nor a selector.", "Add \"size: 10%\" or \"selector: ring=canary\".")
            return nil
        }
        return RolloutWave(
            size: size(fields["size"]), selector: name(fields["selector"], as: LabelSelector.self),
            soakSeconds: duration(fields["soak"], in: 0...2_592_000) ?? 0, confirm: flag(fields["confirm"]) ?? false)
    }

    private mutating func size(_ value: PolicyValue?) -> RolloutPolicy.WaveSize? {
        parsed(value, "a count like 5 or a share like 20%") { text in
            if let percent = PolicyNotation.share(text).map({ $0 * 100 }) {
                guard percent > 0, percent <= 100, let exact = PolicyNotation.number(String(text.dropLast())) else {
                    return nil
                }
                return .percent(exact)
            }
            guard let count = Int(text), (1...PolicyFileLimits.devices).contains(count) else { return nil }
            return .count(count)
        }
    }

    /// Whether a wave would take no device after another; a count and a share cannot be compared.
    private static func endsWith(_ size: RolloutPolicy.WaveSize, _ last: RolloutPolicy.WaveSize?) -> Bool {
        switch (size, last) {
        case (.count(let now), .count(let before)): now <= before
        case (.percent(let now), .percent(let before)): now <= before
        default: false
        }
    }

    // MARK: - On the device

    private mutating func conditions(_ value: PolicyValue?) -> UpdateConditions {
        var conditions = UpdateConditions()
        guard let value, let fields = mapping(value, keys: PolicyFields.conditions) else { return conditions }
        let windows = list(fields["windows"], of: "windows, e.g. [mon-fri 22:00-05:00]") ?? []
        conditions.windows = windows.compactMap { parsed($0, PolicyNotation.windowRule, PolicyNotation.window) }
        conditions.idleSeconds = duration(fields["idle"], in: 1...86_400)
        conditions.onMains = flag(fields["onMains"]) ?? false
        conditions.belowCelsius = whole(fields["belowCelsius"], in: 1...150)
        conditions.jitterSeconds = duration(fields["jitter"], in: 0...86_400) ?? 0
        conditions.bytesPerSecond = bandwidth(fields["bandwidth"])
        return conditions
    }

    private mutating func bandwidth(_ value: PolicyValue?) -> Int64? {
        let rule = "bytes per second from 1KiB/s on, e.g. 20MB/s or 8Mbit/s"
        return parsed(value, rule) { text in
            PolicyNotation.bytesPerSecond(text).flatMap {
                PolicyFileLimits.bytesPerSecond.contains($0) ? $0 : nil
            }
        }
    }

    private mutating func shadow(_ value: PolicyValue?) -> ShadowPolicy? {
        guard let value, let fields = mapping(value, keys: PolicyFields.shadow) else { return nil }
        var shadow = ShadowPolicy()
        shadow.sharePermille = permille(fields["share"], in: 1...1000) ?? shadow.sharePermille
        shadow.comparison = choice(fields["comparison"], as: ShadowPolicy.Comparison.self) ?? shadow.comparison
        shadow.minSimilarityPermille = permille(fields["minSimilarity"], in: 1...1000) ?? shadow.minSimilarityPermille
        shadow.samples = whole(fields["samples"], in: 1...10_000) ?? shadow.samples
        shadow.maxSeconds = duration(fields["maxTime"], in: 1...604_800) ?? shadow.maxSeconds
        shadow.minAgreementPermille = permille(fields["minAgreement"], in: 1...1000)
        if let field = fields["minSimilarity"], shadow.comparison != .embedding {
            report(field, "Only embeddings have a similarity.", "Leave it out, or write \"comparison: embedding\".")
        }
        return shadow
    }
}
