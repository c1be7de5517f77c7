internal import MartletAPI
internal import MartletTypes
internal import RegistryClient
package import TUF

extension PublisherContext {
    /// Loads what the registry has, also where these roles have ended: first as everyone does, so that an old snapshot
    /// is not taken for the current one, then once more at a time when nothing had ended.
    func refresh(despite ended: Set<TopLevelRole>) async throws {
        do {
            try await tuf.refresh(now: clock())
        } catch let error as TUFError where error.reason == .expired {
            guard ended.contains(where: { $0.rawValue == error.role }) else { throw PublishError.ended(error) }
        }
        try await tuf.refresh(now: Self.beforeAnyExpiry)
    }

    static let beforeAnyExpiry = Timestamp(seconds: 0)

    /// Who may sign what, verified, with the roles of these namespaces; ended metadata is read too, since it is what a
    /// change mends.
    ///
    /// A namespace that was cut off is read as it is, and named in `unverified`.
    package func standing(
        _ namespaces: [String] = [], unverified: inout Set<String>
    ) async throws -> DelegationTree {
        var tree = try await standing()
        for name in namespaces where tree.verifier(for: name) != nil {
            tree.namespaces[name] = try await role([name], &unverified)
        }
        return tree
    }

    /// A role of a namespace; as it is where those who may sign it have not.
    func role(_ chain: [String], _ unverified: inout Set<String>) async throws -> TargetsMetadata? {
        do {
            return try await tuf.role(chain)
        } catch let error as TUFError {
            guard let name = chain.last, [.badSignature, .thresholdNotMet].contains(error.reason) else { throw error }
            unverified.insert(name)
            return try await raw(name)
        }
    }

    /// What the registry has of a role, whoever signed it.
    private func raw(_ role: String) async throws -> TargetsMetadata? {
        guard let version = try await operators.status().metadataVersions[role] else { return nil }
        let path = MetadataPath.file(role, version: Int(version))
        let fetcher = HTTPMetadataFetcher(http: operators.api.http)
        guard let bytes = try await fetcher.fetch(path, limit: Limits.tufMetadataBytes) else { return nil }
        let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.tufMetadataBytes)
        return try TargetsMetadata(json: envelope.signed)
    }

    /// The same where every role must verify.
    package func standing(_ namespaces: [String] = []) async throws -> DelegationTree {
        try await refresh(despite: [.root, .targets])
        guard let targets = try await tuf.role([]) else {
            throw PublishError(.badRegistry, "The registry's top-level targets cannot be read.")
        }
        var tree = DelegationTree(root: await tuf.root, targets: targets, namespaces: [:])
        for name in namespaces where tree.verifier(for: name) != nil {
            tree.namespaces[name] = try await tuf.role([name])
        }
        return tree
    }

    /// The bins of a namespace, verified, by name; those that are named where any are.
    func bins(of namespace: String, in tree: DelegationTree, only names: [String]? = nil) async throws
        -> [String: TargetsMetadata]
    {
        guard let role = tree.namespaces[namespace] else { throw PublishError.notDelegated(namespace) }
        var bins: [String: TargetsMetadata] = [:]
        for bin in try names ?? NamespaceLayout(namespace, of: role).bins {
            bins[bin] = try await tuf.role([namespace, bin])
        }
        return bins
    }
}
