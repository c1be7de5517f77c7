import MartletAPI
import MartletTypes
import RegistryStore
import TUF

extension MetadataService {
    /// All changes within the caller's reach that wait for signatures, oldest first.
    func proposals(_ reach: Reach) async throws -> [Proposal] {
        let core = core
        return try await core.database.read { sql in
            let book = ProposalBook(sql: sql, core: core)
            return try ProposalStore(sql).list().filter { Self.isWithin(reach, $0) }.map { try book.proposal($0) }
        }
    }

    /// The owner's changes concern every namespace.
    private static func isWithin(_ reach: Reach, _ row: ProposalRow) -> Bool {
        row.namespace.map { reach.contains(namespace: $0) } ?? (reach.namespaces == nil)
    }

    /// One of them; throws 404 `unknownProposal`.
    func proposal(_ id: String, _ reach: Reach) async throws -> Proposal {
        let core = core
        return try await core.database.read { sql in
            try ProposalBook(sql: sql, core: core).proposal(try Self.find(id, sql, reach))
        }
    }

    /// Keeps a change that lacks signatures, after all else about it was checked; where it lacks none it takes effect.
    ///
    /// Signatures of strangers are dropped; one valid signature is needed. Throws as `apply`, and 422 `unsigned`.
    func propose(_ request: ProposalRequest, by caller: Caller) async throws -> ProposalAnswer {
        let core = core
        guard request.note.count <= ServerLimits.noteCharacters else {
            throw ServerError.badRequest(
                "A note has at most \(ServerLimits.noteCharacters) characters.", field: "/note")
        }
        let id = try OperatorService.newID("p")
        let proposal = try await core.database.write { sql -> Proposal in
            let now = core.clock()
            let book = ProposalBook(sql: sql, core: core)
            let change = try book.checked(request.change, edit: request.edit, by: caller, now: now)
            let row = ProposalRow(
                id: id, namespace: try book.namespace(of: change), note: request.note,
                document: try ProposalBook.Pending(change: change, edit: request.edit).document(), created: now,
                createdBy: caller.name)
            try ProposalStore(sql).create(row)
            try AuditLog(sql).append(
                actor: caller.name, action: "trust.propose", subject: id,
                detail: .object(["note": .string(request.note)]), now: now)
            return try book.proposal(row)
        }
        return try await finish(proposal, by: caller)
    }

    /// Adds the signatures of a copy, or replaces a copy that another change overtook; the last signature that is
    /// needed
    /// makes the change take effect.
    ///
    /// Throws 404 `unknownProposal`, 409 `proposalMoved` where the copy is of another state.
    func sign(_ id: String, _ copy: TrustChange, by caller: Caller) async throws -> ProposalAnswer {
        let core = core
        let proposal = try await core.database.write { sql -> Proposal in
            let now = core.clock()
            let book = ProposalBook(sql: sql, core: core)
            var row = try Self.find(id, sql, caller.reach)
            var pending = try ProposalBook.Pending(row)
            let isOutdated = try book.isOutdated(pending.change)
            if let gathered = try book.gather(pending.change, copy) {
                guard !isOutdated else { throw Self.moved(id) }
                pending.change = try book.checked(gathered, edit: pending.edit, by: caller, now: now)
            } else {
                guard isOutdated, pending.edit != nil else { throw Self.moved(id) }
                try book.replace(
                    &pending, with: try book.checked(copy, edit: pending.edit, by: caller, now: now))
            }
            row.document = try pending.document()
            _ = try ProposalStore(sql).update(id, row.document)
            try AuditLog(sql).append(actor: caller.name, action: "trust.sign", subject: id, now: now)
            return try book.proposal(row)
        }
        return try await finish(proposal, by: caller)
    }

    /// Forgets a change that waits. Throws 404, and 403 outside the caller's namespace.
    func withdraw(_ id: String, by caller: Caller) async throws {
        let core = core
        try await core.database.write { sql in
            let row = try Self.find(id, sql, caller.reach)
            if row.namespace == nil, caller.role != .admin { throw ServerError.forbidden("the role admin") }
            _ = try ProposalStore(sql).delete(id)
            try AuditLog(sql).append(actor: caller.name, action: "trust.withdraw", subject: id, now: core.clock())
        }
    }

    private func finish(_ proposal: Proposal, by caller: Caller) async throws -> ProposalAnswer {
        guard proposal.progress.allSatisfy(\.isComplete) else { return ProposalAnswer(proposal: proposal) }
        let receipt = try await apply(proposal.change, by: caller, finishing: proposal.id)
        return ProposalAnswer(proposal: proposal, receipt: receipt)
    }

    private static func find(_ id: String, _ sql: any SQLConnection, _ reach: Reach) throws -> ProposalRow {
        guard let row = try ProposalStore(sql).find(id), isWithin(reach, row) else {
            throw ServerError.notFound(
                "unknownProposal", "No change with this identifier waits for signatures.",
                remedy: "`martlet trust pending` shows those that do; one that is not there may have taken effect.")
        }
        return row
    }

    private static func moved(_ id: String) -> ServerError {
        .conflict(
            "proposalMoved", "What waits as \(id) is not what was signed.", remedy: "Read it again, then sign it.")
    }
}
