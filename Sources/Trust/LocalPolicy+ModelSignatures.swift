package import MartletTypes

extension LocalPolicy {
    /// One demand of the owner: a model signature by one of these keys.
    package struct SignatureDemand: Sendable, Hashable {
        /// The pattern that the owner wrote.
        package let pattern: String
        /// The keys that meet it.
        package let keys: [ModelSignatureKey]
    }

    /// What the owner demands of a release from these repositories: its own, and that of its base.
    ///
    /// Each pattern that matches is a demand of its own, so that a stricter one for a repository adds to that of its
    /// namespace. In the order of the patterns.
    package func modelSignatures(for repositories: [RepositoryName]) -> [SignatureDemand] {
        modelSignatures.sorted { $0.key < $1.key }
            .filter { demand in repositories.contains { Self.matches(demand.key, $0) } }
            .map { SignatureDemand(pattern: $0.key, keys: $0.value) }
    }
}
