import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension OperatorService {
    /// One page of the audit log, newest first, or in rising order after a number.
    func audit(_ exchange: Exchange) async throws -> Page<AuditRow> {
        let limit = try Self.pageLimit(exchange)
        let after = try exchange.number("after", in: 0...Int64.max)
        let cursor = try exchange.number("cursor", in: 0...Int64.max)
        let rows = try await core.database.read { sql in
            after == nil
                ? try AuditLog(sql).rows(before: cursor, limit: limit + 1)
                : try AuditLog(sql).rows(after: max(after ?? 0, cursor ?? 0), limit: limit + 1)
        }
        let items = rows.prefix(limit).map(AuditRow.init)
        return Page(items: items, next: rows.count > limit ? items.last.map { String($0.number) } : nil)
    }

    /// The log's size and root as they are now, signed by the director's key.
    func auditCheckpoint() async throws -> [UInt8] {
        let core = core
        let checkpoint = try await core.database.read { try AuditLog($0).checkpoint(now: core.clock()) }
        return try checkpoint.signed(by: [try core.keyring.director]).encoded()
    }

    /// The proof that a row is in the log of `size` rows, or that this log continues the one of `from` rows.
    ///
    /// Throws 400 where it is not said which, 404 for rows that are not there.
    func auditProof(_ exchange: Exchange) async throws -> AuditProof {
        let bounds: ClosedRange<Int64> = 0...Int64.max
        let row = try exchange.number("row", in: bounds)
        let from = try exchange.number("from", in: bounds)
        guard let size = try exchange.number("size", in: bounds), (row == nil) != (from == nil) else {
            throw ServerError.badRequest(
                "A proof is of a row or from a smaller log.", remedy: "Give size, and one of row and from.",
                field: "size")
        }
        let hashes = try await core.database.read { sql in
            if let row { return try AuditLog(sql).inclusionProof(of: row, in: size) }
            return try AuditLog(sql).consistencyProof(from: from ?? 0, to: size)
        }
        return AuditProof(size: size, row: row, from: from, hashes: hashes)
    }
}

extension AuditRow {
    init(_ row: StoredAuditRow) {
        self.init(
            number: row.entry.sequence, time: row.entry.time, actor: row.entry.actor, action: row.entry.action,
            subject: row.entry.subject, detail: row.entry.detail, hash: row.hash)
    }
}
