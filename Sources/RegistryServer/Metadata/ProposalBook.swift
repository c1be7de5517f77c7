import MartletAPI
import MartletTypes
import RegistryStore
import TUF

/// Reads and checks changes that wait for signatures, against what stands now.
struct ProposalBook {
    let sql: any SQLConnection
    let core: RegistryCore

    /// What is kept of one.
    struct Pending: Codable {
        var change: TrustChange
        var edit: JSONValue?
        /// Keys whose signatures another change overtook, and that have not signed again.
        var overtaken: [String]?

        init(change: TrustChange, edit: JSONValue?) {
            self.change = change
            self.edit = edit
        }

        init(_ row: ProposalRow) throws {
            self = try JSONText.decode(Pending.self, from: try JSONText.encode(row.document))
        }

        func document() throws -> JSONValue { try JSONValue(parsing: try JSONText.encode(self)) }
    }

    /// What callers see of a row.
    func proposal(_ row: ProposalRow) throws -> Proposal {
        let pending = try Pending(row)
        let (isOutdated, progress) = (try isOutdated(pending.change), try progress(pending.change))
        let signed = Set(progress.flatMap(\.signed))
        let overtaken = Set(pending.overtaken ?? [])
        return Proposal(
            id: row.id, note: row.note, namespace: row.namespace, created: row.created, createdBy: row.createdBy,
            isOutdated: isOutdated,
            signAgain: (isOutdated ? overtaken.union(signed) : overtaken.subtracting(signed)).sorted(),
            progress: progress, change: pending.change, edit: pending.edit)
    }

    /// Puts a copy that is made anew in the place of one that was overtaken; remembers whose signatures that costs.
    func replace(_ pending: inout Pending, with copy: TrustChange) throws {
        let former = try progress(pending.change).flatMap(\.signed)
        let signed = try progress(copy).flatMap(\.signed)
        pending.overtaken = Set(pending.overtaken ?? []).union(former).subtracting(signed).sorted()
        pending.change = copy
    }

    /// The change with valid signatures only, after all but their number was checked.
    func checked(
        _ change: TrustChange, edit: JSONValue?, by caller: Caller, now: Timestamp
    ) throws -> TrustChange {
        let check = ChangeCheck(sql: sql, core: core, caller: caller, now: now, isGathering: true)
        let former = try ChangeCheck.tree(sql)
        let envelopes = try ChangeCheck.envelopes(change)
        let next = try former.applying(envelopes)
        guard try check.plan(change) != nil else {
            throw ServerError.conflict("alreadyPublished", "All of this change stands already.")
        }
        var kept = change
        var count = 0
        for (role, envelope) in envelopes {
            let valid = try envelope.keepingSignatures(of: next.verifiers(for: role, after: former))
            count += valid.signatures.count
            kept.roles[role] = String(decoding: valid.encoded(), as: UTF8.self)
        }
        guard count > 0 else {
            throw ServerError.unprocessable(
                "unsigned", "Nobody who may sign this change has signed it.",
                remedy: "Sign it with one of the role's keys.", field: "/change/roles")
        }
        if let edit { try checkEdit(try PublisherEdit(json: edit), envelopes, now) }
        return kept
    }

    /// A change that may be applied again must be what it says it is.
    private func checkEdit(_ edit: PublisherEdit, _ envelopes: [String: SignedEnvelope], _ now: Timestamp) throws {
        guard envelopes.count == 1, let (role, envelope) = envelopes.first,
            let current = try RoleStore(sql).current(role)
        else { throw Self.otherEdit }
        let wanted = edit.applied(to: try ChangeCheck.document(current.bytes), now: now)
        let given = try TargetsMetadata(json: envelope.signed)
        guard given.targets == wanted.targets, given.delegations == wanted.delegations,
            given.version == wanted.version
        else { throw Self.otherEdit }
    }

    private static let otherEdit = ServerError.unprocessable(
        "editMismatch", "The signed role is not the current one with the edit in it.",
        remedy: "Apply the edit to the current version of its bin, and nothing else.", field: "/edit")

    /// The one namespace that a change concerns; nil where it needs the owner.
    func namespace(of change: TrustChange) throws -> String? {
        let roles = change.roles.keys
        if roles.contains(where: { TopLevelRole(rawValue: $0) != nil }) { return nil }
        let tree = try ChangeCheck.tree(sql)
        let names = Set(roles.compactMap { tree.namespace(of: $0) })
        guard names.count == 1 else {
            throw ServerError.badRequest("A change of publishers concerns one namespace.", field: "/change/roles")
        }
        return names.first
    }

    /// Whether another change came first.
    func isOutdated(_ change: TrustChange) throws -> Bool {
        for (role, envelope) in try ChangeCheck.envelopes(change) {
            let current = try RoleStore(sql).currentVersion(of: role) ?? 0
            guard envelope.signed["version"]?.integer == current + 1 else { return true }
        }
        return false
    }

    /// The signatures of both; nil where they are of different documents.
    func gather(_ change: TrustChange, _ copy: TrustChange) throws -> TrustChange? {
        guard change.trustDocument == copy.trustDocument, change.roles.keys == copy.roles.keys,
            change.suspends == copy.suspends
        else { return nil }
        let copies = try ChangeCheck.envelopes(copy)
        var gathered = change
        for (role, envelope) in try ChangeCheck.envelopes(change) {
            guard let both = copies[role].flatMap({ envelope.gathering($0) }) else { return nil }
            gathered.roles[role] = String(decoding: both.encoded(), as: UTF8.self)
        }
        return gathered
    }

    private func progress(_ change: TrustChange) throws -> [Proposal.Progress] {
        let envelopes = try ChangeCheck.envelopes(change)
        let former = try ChangeCheck.tree(sql)
        let next = try former.applying(envelopes)
        return try envelopes.sorted { $0.key < $1.key }.map { role, envelope in
            try Proposal.Progress(of: role, envelope, by: next.verifiers(for: role, after: former))
        }
    }
}
