/// What a release is. Engine and agent releases come only from a namespace that the device's own policy names.
package enum ReleaseKind: String, Sendable, Codable, CaseIterable {
    case model
    case adapter
    case engine
    case agent
}

/// The program a variant needs, e.g. llama.cpp from some build on.
package struct EngineRequirement: Sendable, Hashable, Codable {
    /// The engine's name, e.g. `llama.cpp`.
    package let name: String
    /// The least version; nil accepts any.
    package let minVersion: SemanticVersion?

    package init(name: String, minVersion: SemanticVersion? = nil) {
        self.name = name
        self.minVersion = minVersion
    }
}

/// The typed settings of a slot: all that a bundle or an assignment may say about how an engine runs.
///
/// There is no field for a command, a path or an environment variable, and never will be (DESIGN section 3).
package struct SlotSettings: Sendable, Hashable, Codable {
    /// Tokens of context for each parallel request; nil takes the engine's default for the model.
    package var contextTokens: Int?
    /// Requests served at once; nil is 1.
    package var parallelRequests: Int?
    /// Threads of the engine; nil takes the profile's.
    package var threads: Int?
    /// The scale of each adapter by its repository, in thousandths (signed documents hold whole numbers only);
    /// an adapter that is absent here has 1000.
    package var adapterScalesPermille: [String: Int]?
    /// How embeddings are made; nil takes what the release says, and none are answered where it says nothing.
    package var pooling: Pooling?
    /// How the slot lives beside others; nil is as memory allows.
    package var residency: SlotResidency?

    package init(
        contextTokens: Int? = nil, parallelRequests: Int? = nil, threads: Int? = nil,
        adapterScalesPermille: [String: Int]? = nil, pooling: Pooling? = nil, residency: SlotResidency? = nil
    ) {
        self.contextTokens = contextTokens
        self.parallelRequests = parallelRequests
        self.threads = threads
        self.adapterScalesPermille = adapterScalesPermille
        self.pooling = pooling
        self.residency = residency
    }
}
