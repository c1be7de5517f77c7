internal import MartletAPI
internal import MartletTypes
internal import TUF

/// Delegates a further namespace, after the first ceremony: the owner signs targets, the publishers their empty roles,
/// and all of it takes effect at once.
package struct NamespaceDelegation: Sendable {
    private let context: PublisherContext

    /// `context.signers` are the owner's keys for targets.
    package init(context: PublisherContext) { self.context = context }

    /// Delegates `namespace`; nil where it is delegated so already. Where signatures are missing, it waits for them.
    package func run(
        _ namespace: NamespaceSigners, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> ChangeOutcome? {
        for attempt in 1...PublishLimits.conflictAttempts {
            let draft = try await TrustEditor(context: context)
                .delegating(namespace.namespace, to: namespace.keys, threshold: namespace.threshold)
            guard let draft else { return nil }
            progress(.signing(role: TargetsMetadata.type, attempt: attempt))
            if let outcome = try await submit(draft, namespace) { return outcome }
        }
        throw PublishError.tooManyConflicts(TargetsMetadata.type)
    }

    /// Nil where another change of targets came first.
    private func submit(_ draft: ChangeDraft, _ namespace: NamespaceSigners) async throws -> ChangeOutcome? {
        let signers = context.with(signers: context.signers + namespace.signers)
        return try await ChangeSubmission(context: signers).submitUnlessOvertaken(draft)
    }
}
