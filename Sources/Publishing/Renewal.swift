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
            self.role = role
            version = metadata.version
            expires = Timestamp(seconds: metadata.expires.seconds)
        }
    }

    private let context: PublisherContext
    /// What ends within this time is due.
    private let span: Duration

    /// `context.signers` are the keys of what is to be renewed.
    package init(context: PublisherContext, within span: Duration) {
        self.context = context
        self.span = span
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

    /// The next version of the role at the end of `chain`, signed and put; nil where it is not due.
    private func targets(
        _ chain: [String], lifetime: Duration, _ progress: @Sendable (PublishProgress) -> Void
    ) async throws -> Renewed? {
        let role = chain.last ?? TargetsMetadata.type
        for attempt in 1...PublishLimits.conflictAttempts {
            guard let current = try await context.tuf.role(chain) else {
                throw PublishError.notDelegated(chain.first ?? role)
            }
            let now = context.clock()
            guard current.expires - now < span else { return nil }
            progress(.signing(role: role, attempt: attempt))
            let next = current.next(expires: now + lifetime)
            if try await context.put(role, try SignedEnvelope.sign(next.json, by: context.signers)) {
                return Renewed(role, next)
            }
            // Another was faster: a publisher into this bin, or a second renewal.
            try await context.tuf.refresh(now: PublisherContext.beforeAnyExpiry)
        }
        throw PublishError.tooManyConflicts(role)
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
