package import MartletAPI
internal import MartletTypes
internal import RegistryClient
internal import TUF

/// What became of a change.
package enum ChangeOutcome: Sendable {
    /// It stands.
    case done(TrustReceipt)
    /// It waits in the registry for further signatures.
    case pending(Proposal)
}

/// Brings changes to the registry, signed by the keys at hand; what lacks signatures waits there.
package struct ChangeSubmission: Sendable {
    let context: PublisherContext

    package init(context: PublisherContext) { self.context = context }

    /// Signs with the keys at hand, then sends: to take effect where enough have signed, else to wait.
    ///
    /// Throws `notAPublisher` where no key at hand may sign any part, unless somebody else has signed already.
    package func submit(_ draft: ChangeDraft) async throws -> ChangeOutcome {
        let (signed, count) = try draft.signed(by: context.signers)
        if count == 0, !context.signers.isEmpty { throw Self.noKey(draft, context) }
        if try signed.isComplete() {
            let receipt = try await context.operators.change(signed.change)
            try await confirm(receipt)
            return .done(receipt)
        }
        return try await outcome(of: context.operators.propose(signed.request))
    }

    /// The same; nil where another change came first.
    ///
    /// A function of its own: catching inside a loop of an async function crashes the optimiser of Swift 6.3.1.
    package func submitUnlessOvertaken(_ draft: ChangeDraft) async throws -> ChangeOutcome? {
        do {
            return try await submit(draft)
        } catch let error as ClientError {
            guard error.status == 409, error.code == "versionConflict" else { throw error }
            return nil
        }
    }

    func outcome(of answer: ProposalAnswer) async throws -> ChangeOutcome {
        guard let receipt = answer.receipt else { return .pending(answer.proposal) }
        try await confirm(receipt)
        return .done(receipt)
    }

    /// Looks whether the registry carries the new versions: it could have taken them and kept them back.
    private func confirm(_ receipt: TrustReceipt) async throws {
        try await context.tuf.refresh(now: PublisherContext.beforeAnyExpiry)
        let versions = await context.tuf.versions
        guard Int64(versions.snapshot) >= receipt.snapshot,
            Int64(versions.root) >= receipt.roles[RootMetadata.type] ?? 0
        else {
            throw PublishError(
                .notVisible, "The registry took the change and does not show it.",
                remedy: "See the registry's log and `martlet status`, then try again.")
        }
    }

    static func noKey(_ draft: ChangeDraft, _ context: PublisherContext) -> PublishError {
        let ours = context.signers.map { String($0.publicKey.keyID.prefix(12)) }.sorted().joined(separator: ", ")
        return PublishError(
            .notAPublisher, "The keys at hand (\(ours)) sign no part of this change that still lacks a signature.",
            remedy: "Give a key of \(draft.roles.keys.sorted().prefix(4).joined(separator: ", ")) with --key.")
    }
}

extension ChangeSubmission {
    /// A change that waits, as this machine sees it: against what it verified itself. One that was overtaken is applied
    /// again where it is an edit of a bin.
    ///
    /// Throws `badRequest` where it was overtaken and must be made anew.
    package func review(_ proposal: Proposal) async throws -> ChangeDraft {
        let names = proposal.change.roles.keys
        // First the delegations, to learn to whom each role belongs.
        var tree = try await context.standing()
        let namespaces = tree.namespaceNames.filter { name in
            names.contains { $0 == name || $0.hasPrefix(name + "-bin-") }
        }
        var unverified = Set<String>()
        tree = try await context.standing(namespaces, unverified: &unverified)
        var bins: [String: TargetsMetadata] = [:]
        for name in names {
            guard let namespace = tree.namespace(of: name), namespace != name else { continue }
            bins[name] = try await context.role([namespace, name], &unverified)
        }
        let draft = try ChangeDraft(proposal, former: tree, bins: bins, unverified: unverified)
        if !draft.isOutdated { return draft }
        guard let edit = draft.edit, let bin = names.first, names.count == 1, let current = bins[bin] else {
            throw PublishError(
                .badRequest, "Another change came before \(proposal.id); it cannot be signed any more.",
                remedy: "Make it again, then `martlet trust withdraw \(proposal.id)`.")
        }
        let again = edit.applied(to: current, now: context.clock())
        return try ChangeDraft(former: tree, bins: bins, roles: [bin: again.json], edit: edit, note: draft.note)
    }

    /// Adds the signatures of the keys at hand to a change that waits; with the last one it takes effect.
    ///
    /// `draft` is what `review` gave, and somebody looked at. Throws `ClientError` 409 where another signer was faster.
    package func sign(_ proposal: Proposal, as draft: ChangeDraft) async throws -> ChangeOutcome {
        let (signed, count) = try draft.signed(by: context.signers)
        guard count > 0 else { throw Self.noKey(draft, context) }
        return try await outcome(of: context.operators.sign(proposal.id, signed.change))
    }
}

extension ChangeDraft {
    /// Whether what stands is not what the change was made for.
    var isOutdated: Bool {
        roles.contains { role, envelope in
            let current =
                switch TopLevelRole(rawValue: role) {
                case .root: former.root.version
                case .targets: former.targets.version
                default: (former.namespaces[role] ?? bins[role])?.version ?? 0
                }
            return envelope.signed["version"]?.integer != Int64(current) + 1
        }
    }
}
