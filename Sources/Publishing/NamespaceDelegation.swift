internal import MartletTypes
internal import TUF

/// Delegates a further namespace, after the first ceremony: the owner signs targets, the publishers their empty roles.
package struct NamespaceDelegation: Sendable {
    private let context: PublisherContext

    /// `context.signers` are the owner's keys for targets.
    package init(context: PublisherContext) { self.context = context }

    /// Delegates `namespace`; may be repeated after a failure in between.
    ///
    /// Targets come first, because the registry verifies each role by its delegator. Until all roles are there nobody
    /// can find releases of this namespace; all others are untouched.
    package func run(
        _ namespace: NamespaceSigners, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws {
        let layout = try NamespaceLayout(namespace.namespace)
        try await delegate(layout, namespace, progress)
        let files = try layout.make(
            keys: namespace.keys, threshold: namespace.threshold, signers: namespace.signers, now: context.clock())
        for role in [layout.namespace] + layout.bins {
            guard let envelope = files[role] else { continue }
            progress(.signing(role: role, attempt: 1))
            // A conflict says that the registry has a first version of this role: an earlier run came this far.
            _ = try await context.put(role, envelope)
        }
    }

    private func delegate(
        _ layout: NamespaceLayout, _ namespace: NamespaceSigners,
        _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws {
        for attempt in 1...PublishLimits.conflictAttempts {
            let now = context.clock()
            try await context.refresh()
            guard let targets = await context.tuf.metadata(TargetsMetadata.type) else {
                throw PublishError(.badRegistry, "The registry's top-level targets cannot be read.")
            }
            let changed = try layout.delegated(in: targets, keys: namespace.keys, threshold: namespace.threshold)
            guard changed != targets else { return }
            progress(.signing(role: TargetsMetadata.type, attempt: attempt))
            let next = changed.next(expires: now + MetadataLifetime.targets)
            if try await context.put(TargetsMetadata.type, try SignedEnvelope.sign(next.json, by: context.signers)) {
                return
            }
        }
        throw PublishError.tooManyConflicts(TargetsMetadata.type)
    }
}
