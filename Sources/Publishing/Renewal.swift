package import MartletTypes
internal import TUF

/// Signs metadata anew before it ends. What nobody publishes into would end after 30 days, and its releases with it.
///
/// Metadata that has ended is renewed too: its signatures are verified, and that it is what a current snapshot names.
package struct Renewal: Sendable {
    /// A role that was signed anew.
    package struct Renewed: Sendable, Hashable, Codable {
        /// The role.
        package let role: String
        /// Its new version.
        package let version: Int
        /// When that ends, in whole seconds as metadata has it.
        package let expires: Timestamp

        init(_ role: String, _ metadata: some RoleMetadata) {
            self.init(role, metadata.version, metadata.expires)
        }

        init(_ role: String, _ version: Int, _ expires: Timestamp) {
            self.role = role
            self.version = version
            self.expires = Timestamp(seconds: expires.seconds)
        }
    }

    let context: PublisherContext
    /// What ends within this time is due.
    let span: Duration
    /// Versions that somebody has seen, by role: after an older backup was restored the next ones must be above them.
    let seen: [String: Int]

    /// `context.signers` are the keys of what is to be renewed.
    package init(context: PublisherContext, within span: Duration, above seen: [String: Int] = [:]) {
        self.context = context
        self.span = span
        self.seen = seen
    }

    /// Renews a namespace's role and those of its bins that are due. Returns what was signed: nothing where none is.
    package func namespace(
        _ namespace: String, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> [Renewed] {
        try await context.refresh(despite: [])
        guard let role = try await context.tuf.role([namespace]),
            let verifier = try await context.tuf.role([])?.delegations?.verifier(for: namespace)
        else { throw PublishError.notDelegated(namespace) }
        try context.checkSigners(verifier, for: namespace)
        var renewed: [Renewed] = []
        for chain in [[namespace]] + (try NamespaceLayout(namespace, of: role)).bins.map({ [namespace, $0] }) {
            if let role = try await targets(chain, lifetime: MetadataLifetime.namespace, progress) {
                renewed.append(role)
            }
        }
        try await confirm(renewed) { $0 == namespace ? [$0] : [namespace, $0] }
        return renewed
    }

    /// Renews the top-level targets where they are due; nil where not.
    package func topLevelTargets(
        progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> Renewed? {
        try await context.refresh(despite: [.targets])
        try context.checkSigners(await context.tuf.rootKeys(for: .targets), for: TargetsMetadata.type)
        let renewed = try await targets([], lifetime: MetadataLifetime.targets, progress)
        try await confirm([renewed].compactMap(\.self)) { _ in [] }
        return renewed
    }

    /// Renews root, with the same keys, where it is due; nil where not.
    package func root(
        progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> Renewed? {
        for attempt in 1...PublishLimits.conflictAttempts {
            try await context.refresh(despite: [.root, .targets])
            try context.checkSigners(await context.tuf.rootKeys(for: .root), for: RootMetadata.type)
            let (root, now) = (await context.tuf.root, context.clock())
            guard root.expires - now < span else { return nil }
            progress(.signing(role: RootMetadata.type, attempt: attempt))
            let next = try root.next(expires: now + MetadataLifetime.root)
            if try await context.put(RootMetadata.type, try SignedEnvelope.sign(next.json, by: context.signers)) {
                return Renewed(RootMetadata.type, next)
            }
        }
        throw PublishError.tooManyConflicts(RootMetadata.type)
    }

    /// The next version of the role at the end of `chain`, signed and put, and further ones until it is above what was
    /// seen; nil where it is not due.
    private func targets(
        _ chain: [String], lifetime: Duration, _ progress: @Sendable (PublishProgress) -> Void
    ) async throws -> Renewed? {
        let role = chain.last ?? TargetsMetadata.type
        var (renewed, conflicts) = (Renewed?.none, 0)
        while conflicts < PublishLimits.conflictAttempts {
            guard let current = try await context.tuf.role(chain) else {
                throw PublishError.notDelegated(chain.first ?? role)
            }
            let now = context.clock()
            let isBehind = try isBehind(role, current.version)
            guard isBehind || (renewed == nil && current.expires - now < span) else { return renewed }
            progress(.signing(role: role, attempt: conflicts + 1))
            let next = current.next(expires: now + lifetime)
            if try await context.put(role, try SignedEnvelope.sign(next.json, by: context.signers)) {
                renewed = Renewed(role, next)
                guard try self.isBehind(role, next.version) else { return renewed }
            } else {
                // Another was faster: a publisher into this bin, or a second renewal.
                conflicts += 1
            }
            try await context.tuf.refresh(now: PublisherContext.beforeAnyExpiry)
        }
        throw PublishError.tooManyConflicts(role)
    }

    private func isBehind(_ role: String, _ version: Int) throws(PublishError) -> Bool {
        guard let seen = seen[role], version <= seen else { return false }
        guard seen - version <= PublishLimits.versionsBehind else {
            throw PublishError(
                .badRegistry, "\(role) \(version) is said to have been seen as \(seen): too far to be a backup.",
                remedy: "Somebody lies about it. The owner delegates to a role of another name.")
        }
        return true
    }

    /// Looks whether the registry carries the new versions: it could have taken them and kept them back.
    private func confirm(_ renewed: [Renewed], chain: (String) -> [String]) async throws {
        guard !renewed.isEmpty else { return }
        try await context.tuf.refresh(now: context.clock())
        for role in renewed {
            guard let found = try await context.tuf.role(chain(role.role)), found.version >= role.version else {
                throw PublishError(
                    .notVisible, "The registry took \(role.role) \(role.version) and does not show it.",
                    remedy: "See the registry's log and `martlet status`, then try again.")
            }
        }
    }
}

extension PublishLimits {
    /// Versions that are signed one after the other to get above what was seen before a restore.
    static let versionsBehind = 10_000
}
