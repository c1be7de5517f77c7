internal import TUF

/// Changes one bin of a namespace by compare-and-swap: read verified, edit, sign, put; again where another was faster.
struct BinEditor: Sendable {
    let context: PublisherContext
    /// Told of each attempt.
    var progress: @Sendable (PublishProgress) -> Void = { _ in }

    /// Applies `edit`, unless `isDone` says that what stands there already will do (it may also throw).
    ///
    /// Returns false where there was nothing to do. On return the verified metadata shows the change.
    func apply(_ edit: PublisherEdit, isDone: (TargetFile?) throws -> Bool) async throws -> Bool {
        for attempt in 1...PublishLimits.conflictAttempts {
            let (bin, current, found) = try await read(edit.path)
            if try isDone(found) { return false }
            progress(.signing(role: bin, attempt: attempt))
            let next = edit.applied(to: current, now: context.clock())
            if try await context.put(bin, try SignedEnvelope.sign(next.json, by: context.signers)) {
                try await confirm(edit)
                return true
            }
        }
        throw PublishError.tooManyConflicts("the namespace")
    }

    /// The bin of a path, its verified metadata, and the target that stands there.
    private func read(_ path: String) async throws -> (bin: String, metadata: TargetsMetadata, found: TargetFile?) {
        try await context.refresh()
        let found = try await context.target(path)
        let namespace = String(path.prefix { $0 != "/" })
        guard let role = await context.tuf.metadata(namespace) else { throw PublishError.notDelegated(namespace) }
        let bin = try NamespaceLayout(namespace, of: role).bin(for: path)
        guard let metadata = await context.tuf.metadata(bin), let verifier = role.delegations?.verifier(for: bin) else {
            throw PublishError.notDelegated(namespace)
        }
        try context.checkSigners(verifier, for: namespace)
        return (bin, metadata, found)
    }

    /// Looks whether the registry carries the change now: it could have taken it and kept it back.
    private func confirm(_ edit: PublisherEdit) async throws {
        try await context.refresh()
        let found = try await context.target(edit.path)
        let isVisible =
            switch edit {
            case .add(_, let file): found == file
            case .remove: found == nil
            }
        guard isVisible else {
            throw PublishError(
                .notVisible, "The registry took the signed metadata and does not show \(edit.path) as it says.",
                remedy: "See the registry's log and `martlet status`, then try again.")
        }
    }
}
