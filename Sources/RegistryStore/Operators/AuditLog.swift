package import MartletTypes
package import Trust

/// The audit log: a row for each change of state, written in the transaction of the change, chained by hash.
package struct AuditLog {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Adds a row; throws `TrustError` where `detail` holds a fraction or is too long.
    @discardableResult
    package func append(
        actor: String, action: String, subject: String, detail: JSONValue = .object([:]), now: Timestamp
    ) throws -> AuditEntry {
        let entry = try AuditChain.entry(
            after: head(), time: now, actor: SQLValue.storable(actor), action: SQLValue.storable(action),
            subject: SQLValue.storable(subject), detail: detail)
        try sql.execute(
            """
            INSERT INTO audit (number, time, actor, action, subject, detail, previous_hash, hash)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(entry.sequence), .time(entry.time), .text(entry.actor), .text(entry.action),
                .text(entry.subject), try .json(entry.detail), .text(entry.previousHash), .text(entry.hash),
            ])
        return entry
    }

    /// Where the chain ends.
    package func head() throws -> AuditChain.Head {
        let row = try sql.first("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [])
        guard let row else { return .empty }
        return AuditChain.Head(sequence: try row.integer("number"), hash: try row.text("hash"))
    }

    /// Rows after `number` in rising order.
    package func rows(after number: Int64 = 0, limit: Int = Limits.pageRows) throws -> [AuditEntry] {
        try sql.query(
            "SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?", [.integer(number), .integer(Int64(limit))]
        ).map(Self.entry)
    }

    /// Rows before `number` (nil: the newest) in falling order.
    package func rows(before number: Int64?, limit: Int = Limits.pageRows) throws -> [AuditEntry] {
        try sql.query(
            "SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?",
            [.integer(number ?? .max), .integer(Int64(limit))]
        ).map(Self.entry)
    }

    /// Verifies the whole chain page by page; with `known`, that it still contains that head.
    package func verify(containing known: AuditChain.Head? = nil) throws -> AuditChain.Verdict {
        var head = AuditChain.Head.empty
        while true {
            let page = try rows(after: head.sequence)
            guard !page.isEmpty else { return AuditChain.verify([], after: head, containing: known) }
            let expected = known.flatMap { known in page.contains { $0.sequence == known.sequence } ? known : nil }
            switch AuditChain.verify(page, after: head, containing: expected) {
            case .intact(let next): head = next
            case .broken(let sequence, let damage): return .broken(sequence: sequence, damage)
            }
        }
    }

    private static func entry(_ row: SQLRow) throws -> AuditEntry {
        AuditEntry(
            sequence: try row.integer("number"), time: try row.time("time"), actor: try row.text("actor"),
            action: try row.text("action"), subject: try row.text("subject"), detail: try row.json("detail"),
            previousHash: try row.text("previous_hash"), hash: try row.text("hash"))
    }
}
