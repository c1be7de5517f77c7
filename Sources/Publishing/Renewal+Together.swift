package import MartletAPI
internal import MartletTypes
internal import RegistryClient
internal import TUF

extension Renewal {
    /// What became of a renewal.
    package struct Outcome: Sendable {
        /// What was signed anew and stands.
        package var renewed: [Renewed] = []
        /// What waits for further signatures.
        package var waiting: Proposal?
    }

    /// Renews root, targets or a namespace with the keys at hand, alone where they are enough; where more must sign, as
    /// a change that waits for the others, who run the same command.
    ///
    /// Throws `namespaceNotDelegated`, `notAPublisher`.
    package func run(
        _ role: String, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> Outcome {
        let verifier = try await verifier(of: role)
        guard try context.usableKeys(verifier, for: role) < verifier.threshold else {
            return Outcome(renewed: try await alone(role, progress))
        }
        return try await together(role)
    }

    private func alone(
        _ role: String, _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> [Renewed] {
        switch TopLevelRole(rawValue: role) {
        case .root: [try await root(progress: progress)].compactMap(\.self)
        case .targets: [try await topLevelTargets(progress: progress)].compactMap(\.self)
        default: try await namespace(role, progress: progress)
        }
    }

    private func verifier(of role: String) async throws -> RoleVerifier {
        let tree = try await context.standing()
        guard let verifier = tree.verifier(for: role) else { throw PublishError.notDelegated(role) }
        return verifier
    }

    // MARK: - Several signers

    /// Adds to the renewal that waits, or begins one where something is due.
    private func together(_ role: String) async throws -> Outcome {
        let submission = ChangeSubmission(context: context)
        for waiting in try await waiting(role) {
            if waiting.isOutdated {
                // Nobody can sign it any more: something was published in between.
                try await context.operators.deleteProposal(waiting.id)
                continue
            }
            let draft = try await submission.review(waiting)
            guard try isRenewal(draft) else { continue }
            let (signed, count) = try draft.signed(by: context.signers)
            guard count > 0 else { return Outcome(waiting: waiting) }
            let answer = try await context.operators.sign(waiting.id, signed.change)
            return try Self.outcome(await submission.outcome(of: answer), signed)
        }
        guard let draft = try await due(role) else { return Outcome() }
        return try Self.outcome(await submission.submit(draft), draft)
    }

    /// The changes that wait under the name of this renewal; whether they are one is looked at when they are signed.
    private func waiting(_ role: String) async throws -> [Proposal] {
        let namespace = TopLevelRole(rawValue: role) == nil ? role : nil
        return try await context.operators.proposals().filter {
            $0.edit == nil && $0.namespace == namespace && $0.note == Self.note(role)
        }
    }

    private static func note(_ role: String) -> String { "renew \(role)" }

    /// Whether a change is, to the last member, what stands with the next version and a later end: a timer signs it,
    /// and
    /// nobody looks at it.
    private func isRenewal(_ draft: ChangeDraft) throws -> Bool {
        guard draft.trustDocument == nil, draft.suspends.isEmpty, draft.unverified.isEmpty else { return false }
        let now = context.clock()
        return try draft.roles.allSatisfy { role, envelope in
            guard let end = try envelope.signed["expires"]?.string.map({ try Timestamp($0) }),
                end <= now + Self.lifetime(role) + Self.clockTolerance
            else { return false }
            switch TopLevelRole(rawValue: role) {
            case .root: return try draft.former.root.next(expires: end).json == envelope.signed
            case .targets: return draft.former.targets.next(expires: end).json == envelope.signed
            default:
                let standing = draft.former.namespaces[role] ?? draft.bins[role]
                return standing?.next(expires: end).json == envelope.signed
            }
        }
    }

    /// How far the clocks of two signers may differ.
    private static let clockTolerance = Duration.seconds(86_400)

    private static func lifetime(_ role: String) -> Duration {
        switch TopLevelRole(rawValue: role) {
        case .root: MetadataLifetime.root
        case .targets: MetadataLifetime.targets
        default: MetadataLifetime.namespace
        }
    }

    /// The next versions of what ends within the time, unsigned; nil where nothing does.
    private func due(_ role: String) async throws -> ChangeDraft? {
        let (now, isNamespace) = (context.clock(), TopLevelRole(rawValue: role) == nil)
        let tree = try await context.standing(isNamespace ? [role] : [])
        let expires = now + Self.lifetime(role)
        var roles: [String: JSONValue] = [:]
        var bins: [String: TargetsMetadata] = [:]
        func add(_ name: String, _ metadata: TargetsMetadata?) {
            guard let metadata, metadata.expires - now < span else { return }
            roles[name] = metadata.next(expires: expires).json
        }
        switch TopLevelRole(rawValue: role) {
        case .root:
            if tree.root.expires - now < span { roles[role] = try tree.root.next(expires: expires).json }
        case .targets: add(role, tree.targets)
        default:
            add(role, tree.namespaces[role])
            bins = try await context.bins(of: role, in: tree)
            for (name, bin) in bins { add(name, bin) }
        }
        guard !roles.isEmpty else { return nil }
        return try ChangeDraft(
            former: tree, bins: bins.filter { roles[$0.key] != nil }, roles: roles, note: Self.note(role))
    }

    private static func outcome(_ outcome: ChangeOutcome, _ draft: ChangeDraft) throws -> Outcome {
        switch outcome {
        case .pending(let proposal): return Outcome(waiting: proposal)
        case .done:
            let renewed = try draft.roles.sorted { $0.key < $1.key }.map { role, envelope in
                let version = Int(envelope.signed["version"]?.integer ?? 0)
                return Renewed(role, version, try Timestamp(envelope.signed["expires"]?.string ?? ""))
            }
            return Outcome(renewed: renewed)
        }
    }
}
