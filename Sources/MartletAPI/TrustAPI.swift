package import MartletTypes

/// Signed roles that take effect together or not at all. Documents are the exact bytes as text.
package struct TrustChange: Sendable, Hashable, Codable {
    /// Signed metadata by role.
    package var roles: [String: String]
    /// The bytes of `martlet/trust.json`, where the targets among the roles name new ones.
    package var trustDocument: String?
    /// Namespaces that may be left without valid signatures until their publishers sign again: a key was stolen.
    package var suspends: [String]

    package init(roles: [String: String], trustDocument: String? = nil, suspends: [String] = []) {
        self.roles = roles
        self.trustDocument = trustDocument
        self.suspends = suspends
    }

    private enum CodingKeys: CodingKey { case roles, trustDocument, suspends }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        roles = try container.decode([String: String].self, forKey: .roles)
        trustDocument = try container.decodeIfPresent(String.self, forKey: .trustDocument)
        suspends = try container.decodeIfPresent([String].self, forKey: .suspends) ?? []
    }
}

/// What a change did.
package struct TrustReceipt: Sendable, Hashable, Codable {
    /// The versions that are current now, of the roles that were put.
    package var roles: [String: Int64]
    /// The snapshot that carries them.
    package var snapshot: Int64

    package init(roles: [String: Int64], snapshot: Int64) {
        self.roles = roles
        self.snapshot = snapshot
    }
}

/// A change that lacks signatures, to be kept until others have signed it. Also the file that goes from hand to hand.
package struct ProposalRequest: Sendable, Hashable, Codable {
    /// The roles with the signatures so far.
    package var change: TrustChange
    /// What a publisher wants in a bin, so that it can be applied again when another change came first.
    package var edit: JSONValue?
    /// What it is for, in a few words.
    package var note: String

    package init(change: TrustChange, edit: JSONValue? = nil, note: String) {
        self.change = change
        self.edit = edit
        self.note = note
    }
}

/// A change that waits for signatures.
package struct Proposal: Sendable, Hashable, Codable {
    /// How far one of its roles is.
    package struct Progress: Sendable, Hashable, Codable {
        package var role: String
        package var version: Int64
        /// Identifiers of the keys that have signed.
        package var signed: [String]
        /// Identifiers of the keys that may sign and have not.
        package var unsigned: [String]
        /// How many signatures are needed; of root the former and the new keys each have their own count, this is the
        /// larger.
        package var needed: Int
        /// Whether enough have signed.
        package var isComplete: Bool

        package init(
            role: String, version: Int64, signed: [String], unsigned: [String], needed: Int, isComplete: Bool
        ) {
            self.role = role
            self.version = version
            self.signed = signed
            self.unsigned = unsigned
            self.needed = needed
            self.isComplete = isComplete
        }
    }

    package var id: String
    /// What it is for.
    package var note: String
    /// The namespace that it changes; nil where it needs the owner.
    package var namespace: String?
    package var created: Timestamp
    /// The token that made it.
    package var createdBy: String
    /// Whether another change came first: an edit is applied again by the next who signs, all else must be made anew.
    package var isOutdated: Bool
    /// Keys that had signed it before another change came first: their signatures do not count any more.
    package var signAgain: [String]
    package var progress: [Progress]
    package var change: TrustChange
    package var edit: JSONValue?

    package init(
        id: String, note: String, namespace: String?, created: Timestamp, createdBy: String, isOutdated: Bool,
        signAgain: [String] = [], progress: [Progress], change: TrustChange, edit: JSONValue?
    ) {
        self.id = id
        self.note = note
        self.namespace = namespace
        self.created = created
        self.createdBy = createdBy
        self.isOutdated = isOutdated
        self.signAgain = signAgain
        self.progress = progress
        self.change = change
        self.edit = edit
    }
}

/// What became of a proposal that was made or signed.
package struct ProposalAnswer: Sendable, Hashable, Codable {
    /// What waits now; of a change that took effect the last state.
    package var proposal: Proposal
    /// What the change did, where enough have signed.
    package var receipt: TrustReceipt?

    package init(proposal: Proposal, receipt: TrustReceipt? = nil) {
        self.proposal = proposal
        self.receipt = receipt
    }
}

/// Keys that the registry holds, by what they are for.
package enum OnlineKeyName: String, Sendable, Codable, CaseIterable {
    case snapshot
    case timestamp
    case director
    /// The certificate authority of registry and devices.
    case authority
}
