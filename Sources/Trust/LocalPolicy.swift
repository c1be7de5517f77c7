package import MartletTypes

/// What this device's owner allows, whatever the director says. Set at enrolment; the director cannot widen it.
package struct LocalPolicy: Sendable, Hashable, Codable {
    /// Whether `martlet-agent install --from` may install without an assignment.
    package enum OfflineInstall: String, Sendable, Codable {
        case allowed
        case refused
    }

    /// Repositories that each named slot may run: exact names, or `clinic/*` for a whole namespace.
    package var slots: [SlotName: [String]]
    /// Repositories for slots that are not named above; empty refuses such slots.
    package var otherSlots: [String]
    /// Upper bound on `contextTokens`.
    package var maxContextTokens: Int
    /// Upper bound on `parallelRequests`.
    package var maxParallelRequests: Int
    /// Upper bound on `threads`; nil is the number of processors.
    package var maxThreads: Int?
    /// The only namespace whose engine releases are installed; nil refuses all.
    package var engineNamespace: String?
    /// The only namespace whose agent releases are installed; nil refuses all.
    package var agentNamespace: String?
    /// Installing from a file without an assignment.
    package var offlineInstall: OfflineInstall
    /// Whether somebody on the box may send a slot back to what served before.
    package var allowsLocalRollback = true
    /// Keys by pattern of repositories, of which one must have signed the model: see `modelSignatures(for:)`.
    package var modelSignatures: [String: [ModelSignatureKey]] = [:]

    package init(
        slots: [SlotName: [String]] = [:], otherSlots: [String] = [], maxContextTokens: Int = 32_768,
        maxParallelRequests: Int = 8, maxThreads: Int? = nil, engineNamespace: String? = nil,
        agentNamespace: String? = nil, offlineInstall: OfflineInstall = .refused
    ) {
        self.slots = slots
        self.otherSlots = otherSlots
        self.maxContextTokens = maxContextTokens
        self.maxParallelRequests = maxParallelRequests
        self.maxThreads = maxThreads
        self.engineNamespace = engineNamespace
        self.agentNamespace = agentNamespace
        self.offlineInstall = offlineInstall
    }

    private enum CodingKeys: String, CodingKey {
        case slots, otherSlots, maxContextTokens, maxParallelRequests, maxThreads, engineNamespace, agentNamespace
        case offlineInstall, modelSignatures, allowsLocalRollback
    }

    /// Absent members take their defaults; a member that is present but wrong is an error.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let base = LocalPolicy()
        slots = try container.decodeIfPresent([SlotName: [String]].self, forKey: .slots) ?? base.slots
        otherSlots = try container.decodeIfPresent([String].self, forKey: .otherSlots) ?? base.otherSlots
        maxContextTokens = try container.decodeIfPresent(Int.self, forKey: .maxContextTokens) ?? base.maxContextTokens
        maxParallelRequests =
            try container.decodeIfPresent(Int.self, forKey: .maxParallelRequests) ?? base.maxParallelRequests
        maxThreads = try container.decodeIfPresent(Int.self, forKey: .maxThreads)
        engineNamespace = try container.decodeIfPresent(String.self, forKey: .engineNamespace)
        agentNamespace = try container.decodeIfPresent(String.self, forKey: .agentNamespace)
        offlineInstall =
            try container.decodeIfPresent(OfflineInstall.self, forKey: .offlineInstall) ?? base.offlineInstall
        allowsLocalRollback = try container.decodeIfPresent(Bool.self, forKey: .allowsLocalRollback) ?? true
        modelSignatures =
            try container.decodeIfPresent([String: [ModelSignatureKey]].self, forKey: .modelSignatures) ?? [:]
    }

    /// Why the policy refuses an assignment of a slot; nil where it allows it.
    package func refusal(of assignment: SlotAssignment, in slot: SlotName) -> String? {
        let patterns = slots[slot] ?? otherSlots
        for release in assignment.releases
        where !patterns.contains(where: { Self.matches($0, release.path.repository) })
            && !isPlatform(release.path.repository)
        {
            return "slot \(slot) may run \(patterns.isEmpty ? "nothing" : patterns.joined(separator: ", ")), "
                + "not \(release.path.repository)"
        }
        let settings = assignment.settings
        let bounds: [(String, Int?, Int)] = [
            ("contextTokens", settings.contextTokens, maxContextTokens),
            ("parallelRequests", settings.parallelRequests, maxParallelRequests),
            ("threads", settings.threads, maxThreads ?? Int.max),
        ]
        for (name, value, bound) in bounds {
            if let value, value < 1 || value > bound {
                return "\(name) \(value) is outside 1 to \(bound)"
            }
        }
        if let wrong = settings.residency?.violation {
            return "\(wrong.name) is outside \(wrong.range.lowerBound) to \(wrong.range.upperBound)"
        }
        return nil
    }

    /// Why the policy refuses a release of that kind, which only its index tells; nil where it allows it.
    package func refusal(of kind: ReleaseKind, _ repository: RepositoryName, in slot: SlotName) -> String? {
        let namespace: String?
        switch kind {
        case .model, .adapter:
            let patterns = slots[slot] ?? otherSlots
            guard !patterns.contains(where: { Self.matches($0, repository) }) else { return nil }
            return "slot \(slot) may run \(patterns.isEmpty ? "nothing" : patterns.joined(separator: ", ")), "
                + "not \(repository)"
        case .engine: namespace = engineNamespace
        case .agent: namespace = agentNamespace
        }
        guard namespace != repository.namespace else { return nil }
        let place = namespace.map { "the namespace \($0)" } ?? "nowhere"
        return "\(kind.rawValue) releases are taken from \(place), not from \(repository)"
    }

    /// Whether releases of this namespace may be engines or agents; of which kind each is, its index tells.
    private func isPlatform(_ repository: RepositoryName) -> Bool {
        repository.namespace == engineNamespace || repository.namespace == agentNamespace
    }

    /// Whether a slot may run a repository; nil asks whether any slot may.
    package func allows(_ repository: RepositoryName, in slot: SlotName?) -> Bool {
        if isPlatform(repository) { return true }
        let lists = slot.map { [slots[$0] ?? otherSlots] } ?? [otherSlots] + Array(slots.values)
        return lists.joined().contains { Self.matches($0, repository) }
    }

    static func matches(_ pattern: String, _ repository: RepositoryName) -> Bool {
        if pattern.hasSuffix("/*") { return repository.text.hasPrefix(pattern.dropLast()) }
        return pattern == repository.text
    }
}
