internal import MartletAPI
internal import RegistryClient
internal import TUF

/// Changes one bin of a namespace by compare-and-swap: read verified, edit, sign, put; again where another was faster.
///
/// Where more people must sign than keys are at hand, the edit is proposed to them and waits in the registry.
struct BinEditor: Sendable {
    /// What became of an edit.
    enum Outcome: Sendable {
        /// What stands there already will do.
        case unchanged
        /// The verified metadata shows the change.
        case applied
        /// It waits for further signatures.
        case pending(Proposal)
    }

    let context: PublisherContext
    /// Told of each attempt.
    var progress: @Sendable (PublishProgress) -> Void = { _ in }

    /// Applies `edit`, unless `isDone` says that what stands there already will do (it may also throw).
    ///
    /// Throws `moreSignaturesNeeded` where the keys at hand are not enough. Returns false where there was nothing to
    /// do.
    func apply(_ edit: PublisherEdit, isDone: (TargetFile?) throws -> Bool) async throws -> Bool {
        switch try await submit(edit, isDone: isDone) {
        case .unchanged: return false
        case .applied: return true
        case .pending(let proposal):
            throw PublishError(
                .moreSignaturesNeeded, "\(edit.path) waits as \(proposal.id) for further signatures.",
                remedy: "Another publisher runs `martlet trust sign \(proposal.id)`.")
        }
    }

    /// The same, where an edit that lacks signatures may wait for them.
    func submit(_ edit: PublisherEdit, isDone: (TargetFile?) throws -> Bool) async throws -> Outcome {
        for attempt in 1...PublishLimits.conflictAttempts {
            let place = try await read(edit.path)
            if try isDone(place.found) { return .unchanged }
            progress(.signing(role: place.bin, attempt: attempt))
            let next = edit.applied(to: place.metadata, now: context.clock())
            guard place.isEnough else { return try await propose(edit, place, next) }
            if try await context.put(place.bin, try SignedEnvelope.sign(next.json, by: context.signers)) {
                try await confirm(edit)
                return .applied
            }
            // So that many who publish at once do not meet again at every attempt.
            try await Task.sleep(for: PublishLimits.conflictPause(attempt, random: .random(in: 0...1)))
        }
        throw PublishError.tooManyConflicts("the namespace")
    }

    /// Where an edit belongs, and what stands there.
    private struct Place {
        let bin: String
        let metadata: TargetsMetadata
        let found: TargetFile?
        let tree: DelegationTree
        /// Whether the keys at hand reach the threshold.
        let isEnough: Bool
    }

    /// The bin of a path, its verified metadata, and the target that stands there.
    private func read(_ path: String) async throws -> Place {
        try await context.refresh()
        let found = try await context.target(path)
        let namespace = String(path.prefix { $0 != "/" })
        guard let targets = await context.tuf.metadata(TargetsMetadata.type),
            let role = await context.tuf.metadata(namespace)
        else { throw PublishError.notDelegated(namespace) }
        let bin = try NamespaceLayout(namespace, of: role).bin(for: path)
        guard let metadata = await context.tuf.metadata(bin), let verifier = role.delegations?.verifier(for: bin) else {
            throw PublishError.notDelegated(namespace)
        }
        let usable = try context.usableKeys(verifier, for: namespace)
        let tree = DelegationTree(root: await context.tuf.root, targets: targets, namespaces: [namespace: role])
        return Place(
            bin: bin, metadata: metadata, found: found, tree: tree, isEnough: usable >= verifier.threshold)
    }

    /// Leaves the edit with the registry, or adds to the one that waits there already.
    private func propose(_ edit: PublisherEdit, _ place: Place, _ next: TargetsMetadata) async throws -> Outcome {
        let submission = ChangeSubmission(context: context)
        let waiting = try await context.operators.proposals().first { $0.edit == edit.json }
        if let waiting {
            let draft = try await submission.review(waiting)
            let (signed, count) = try draft.signed(by: context.signers)
            if count == 0 { return .pending(waiting) }
            return try await outcome(submission.outcome(of: context.operators.sign(waiting.id, signed.change)), edit)
        }
        let verb = if case .remove = edit { "withdraw" } else { "publish" }
        let draft = try ChangeDraft(
            former: place.tree, bins: [place.bin: place.metadata], roles: [place.bin: next.json], edit: edit,
            note: "\(verb) \(edit.path)")
        return try await outcome(submission.submit(draft), edit)
    }

    private func outcome(_ outcome: ChangeOutcome, _ edit: PublisherEdit) async throws -> Outcome {
        switch outcome {
        case .pending(let proposal): return .pending(proposal)
        case .done:
            try await confirm(edit)
            return .applied
        }
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
