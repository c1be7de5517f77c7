package import MartletAPI
internal import MartletTypes
package import TUF
internal import Trust

/// A change of signed roles while it is made and signed: what stands, what shall stand, and who has signed so far.
package struct ChangeDraft: Sendable {
    /// Who may sign what before the change.
    package let former: DelegationTree
    /// Bins that are changed, as they stand; absent where they are new.
    package let bins: [String: TargetsMetadata]
    /// The next versions with the signatures so far.
    package private(set) var roles: [String: SignedEnvelope]
    /// The bytes of a new `martlet/trust.json`.
    package let trustDocument: [UInt8]?
    /// Roles of which what stands is not signed by those who may: it counts for nothing but its version.
    package let unverified: Set<String>
    /// Namespaces that may be left without valid signatures.
    package let suspends: [String]
    /// What a publisher wants in a bin, to be applied again where another change comes first.
    package let edit: PublisherEdit?
    /// What it is for.
    package let note: String

    init(
        former: DelegationTree, bins: [String: TargetsMetadata] = [:], roles: [String: JSONValue],
        trustDocument: [UInt8]? = nil, unverified: Set<String> = [], suspends: [String] = [],
        edit: PublisherEdit? = nil, note: String
    ) throws {
        self.former = former
        self.bins = bins
        self.roles = try roles.mapValues { try SignedEnvelope.sign($0, by: []) }
        self.trustDocument = trustDocument
        self.unverified = unverified
        self.suspends = suspends
        self.edit = edit
        self.note = note
    }

    /// A change that waits in the registry, against what this machine has verified.
    init(
        _ proposal: Proposal, former: DelegationTree, bins: [String: TargetsMetadata], unverified: Set<String>
    ) throws {
        self.unverified = unverified
        self.former = former
        self.bins = bins
        roles = try Self.envelopes(proposal.change.roles)
        trustDocument = proposal.change.trustDocument.map { Array($0.utf8) }
        suspends = proposal.change.suspends
        edit = try proposal.edit.map { try PublisherEdit(json: $0) }
        note = proposal.note
    }

    /// Who may sign what after the change.
    package var next: DelegationTree {
        get throws { try former.applying(roles) }
    }

    /// Whose signatures a role of the change needs.
    package func verifiers(of role: String) throws -> [RoleVerifier] { try next.verifiers(for: role, after: former) }

    /// The same with the signatures of these keys on every role that they may sign; says on how many they are new.
    package func signed(by signers: [any Signer]) throws -> (draft: ChangeDraft, signatures: Int) {
        var copy = self
        var count = 0
        for (role, envelope) in roles {
            let verifiers = try verifiers(of: role)
            for signer in signers where verifiers.contains(where: { $0.keys[signer.publicKey.keyID] != nil }) {
                if envelope.signatures.contains(where: { $0.keyID == signer.publicKey.keyID }) { continue }
                copy.roles[role] = try (copy.roles[role] ?? envelope).adding(signatureBy: signer)
                count += 1
            }
        }
        return (copy, count)
    }

    /// How far each role is, by name.
    package func progress() throws -> [Proposal.Progress] {
        try roles.sorted { $0.key < $1.key }.map { role, envelope in
            try Proposal.Progress(of: role, envelope, by: try verifiers(of: role))
        }
    }

    /// Whether enough have signed all of it.
    package func isComplete() throws -> Bool { try progress().allSatisfy(\.isComplete) }

    /// As it is sent.
    package var change: TrustChange {
        TrustChange(
            roles: roles.mapValues { Self.text($0.encoded()) }, trustDocument: trustDocument.map(Self.text),
            suspends: suspends)
    }

    /// As it is kept by a registry until others have signed.
    package var request: ProposalRequest { ProposalRequest(change: change, edit: edit?.json, note: note) }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func envelopes(_ texts: [String: String]) throws -> [String: SignedEnvelope] {
        try texts.reduce(into: [:]) {
            $0[$1.key] = try SignedEnvelope(parsing: Array($1.value.utf8), limit: Limits.tufMetadataBytes)
        }
    }
}

extension ChangeDraft {
    /// The file in which a change goes from hand to hand: all that a signer without a network needs to see and to sign.
    private struct File: Codable {
        var request: ProposalRequest
        /// What stands, by role, without signatures.
        var standing: [String: JSONValue]
        /// Those of them that are not signed by those who may.
        var unverified: Set<String>
    }

    /// The bytes of the file.
    package func encoded() throws -> [UInt8] {
        var standing = former.namespaces.merging(bins) { $1 }.mapValues(\.json)
        standing[RootMetadata.type] = former.root.json
        standing[TargetsMetadata.type] = former.targets.json
        return try JSONText.encode(File(request: request, standing: standing, unverified: unverified), pretty: true)
    }

    /// Reads a file; throws `badFile`, `TUFError`.
    package init(parsing bytes: [UInt8]) throws {
        let file: File
        do {
            file = try JSONText.decode(File.self, from: bytes)
        } catch {
            throw PublishError(
                .badFile, "The file is no change of signed roles: \(error).",
                remedy: "Give the file that `martlet trust … --out FILE` wrote.")
        }
        guard let root = file.standing[RootMetadata.type], let targets = file.standing[TargetsMetadata.type] else {
            throw PublishError(.badFile, "The file does not say what stands.", remedy: "Make the change again.")
        }
        var tree = DelegationTree(
            root: try RootMetadata(json: root), targets: try TargetsMetadata(json: targets), namespaces: [:])
        let names = Set(tree.namespaceNames)
        var bins: [String: TargetsMetadata] = [:]
        for (role, json) in file.standing where TopLevelRole(rawValue: role) == nil {
            let metadata = try TargetsMetadata(json: json)
            if names.contains(role) { tree.namespaces[role] = metadata } else { bins[role] = metadata }
        }
        former = tree
        self.bins = bins
        unverified = file.unverified
        roles = try Self.envelopes(file.request.change.roles)
        trustDocument = file.request.change.trustDocument.map { Array($0.utf8) }
        suspends = file.request.change.suspends
        edit = try file.request.edit.map { try PublisherEdit(json: $0) }
        note = file.request.note
    }
}
