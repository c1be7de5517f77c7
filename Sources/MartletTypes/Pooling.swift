/// How the vectors of a text's tokens become the one vector that an embeddings request answers.
package enum Pooling: String, Sendable, Codable, CaseIterable {
    /// Their mean.
    case mean
    /// The first token's.
    case cls
    /// The last token's.
    case last
}

extension SlotSettings {
    /// Tokens that an engine must take in one batch: a pooled text has to fit into one, unless its last token speaks
    /// for it. At most `Limits.embeddingTokens`; nil leaves it to the engine.
    package var batchTokens: Int? {
        guard let pooling, pooling != .last else { return nil }
        return min(contextTokens ?? Limits.embeddingTokens, Limits.embeddingTokens)
    }
}

extension Limits {
    /// Tokens of one text that is embedded, where all of them count alike: its intermediate results are held at once.
    package static let embeddingTokens = 2048
}
