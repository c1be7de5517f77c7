package import MartletTypes
package import Trust

/// The audit log: a row for each change of state and the nodes of the tree over them, written in the transaction of
/// the change, with the event that tells of it.
package struct AuditLog {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Adds a row; throws `TrustError` where `detail` holds a fraction or is too long.
    ///
    /// A log whose end was cut off goes on from where it ends: that a row is missing is for `martlet audit verify` to
    /// find, and must not keep anybody from yanking a release.
    @discardableResult
    package func append(
        actor: String, action: String, subject: String, detail: JSONValue = .object([:]), now: Timestamp
    ) throws -> AuditEntry {
        var frontier = try AuditFrontier(size: size(), node)
        let entry = AuditEntry(
            sequence: frontier.size + 1, time: now, actor: SQLValue.storable(actor),
            action: SQLValue.storable(action), subject: SQLValue.storable(subject), detail: detail)
        let leaf = try entry.leafHash()
        try sql.execute(
            "INSERT INTO audit (number, time, actor, action, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(entry.sequence), .time(entry.time), .text(entry.actor), .text(entry.action),
                .text(entry.subject), try .json(entry.detail), .text(leaf.hex),
            ])
        for (place, hash) in frontier.append(leaf) where place.level > 0 {
            try sql.execute(
                """
                INSERT INTO audit_nodes (level, position, hash) VALUES (?, ?, ?)
                ON CONFLICT (level, position) DO UPDATE SET hash = excluded.hash
                """,
                [.integer(Int64(place.level)), .integer(place.index), .text(hash.hex)])
        }
        try EventLog(sql).append(entry)
        return entry
    }

    /// Rows in the log.
    package func size() throws -> Int64 {
        try sql.first("SELECT number FROM audit ORDER BY number DESC LIMIT 1", [])?.integer("number") ?? 0
    }

    /// What the log is now, to be signed. Throws `auditBroken` where nodes of the tree are missing.
    package func checkpoint(now: Timestamp) throws -> AuditCheckpoint {
        let frontier = try AuditFrontier(size: size(), node)
        return AuditCheckpoint(size: frontier.size, root: frontier.root, time: now)
    }

    /// What proves that row `number` (from 1) is in the log of `size` rows; throws `notFound` outside it.
    package func inclusionProof(of number: Int64, in size: Int64) throws -> [Digest] {
        guard number >= 1, number <= size, try size <= self.size() else {
            throw StoreError(.notFound, "The audit log of \(size) rows has no row \(number).")
        }
        return try AuditTree.inclusionProof(of: number - 1, in: size, node)
    }

    /// What proves that the log of `size` rows continues that of its first `former`; throws `notFound` outside it.
    package func consistencyProof(from former: Int64, to size: Int64) throws -> [Digest] {
        guard former >= 0, former <= size, try size <= self.size() else {
            throw StoreError(.notFound, "The audit log has no \(size) rows that continue \(former).")
        }
        return try AuditTree.consistencyProof(from: former, to: size, node)
    }

    /// Rows after `number` in rising order, each with the hash that stands with it.
    package func rows(after number: Int64 = 0, limit: Int = Limits.pageRows) throws -> [StoredAuditRow] {
        try sql.query(
            "SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?", [.integer(number), .integer(Int64(limit))]
        ).map(StoredAuditRow.init)
    }

    /// Rows before `number` (nil: the newest) in falling order.
    package func rows(before number: Int64?, limit: Int = Limits.pageRows) throws -> [StoredAuditRow] {
        try sql.query(
            "SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?",
            [.integer(number ?? .max), .integer(Int64(limit))]
        ).map(StoredAuditRow.init)
    }

    private func node(_ place: AuditTree.Place) throws -> Digest {
        let row =
            try place.level == 0
            ? sql.first("SELECT hash FROM audit WHERE number = ?", [.integer(place.index + 1)])
            : sql.first(
                "SELECT hash FROM audit_nodes WHERE level = ? AND position = ?",
                [.integer(Int64(place.level)), .integer(place.index)])
        guard let row, let bytes = Hex.decode(try row.text("hash")),
            let hash = try? Digest(algorithm: .sha256, bytes: bytes)
        else {
            let first = (place.index << Int64(place.level)) + 1
            throw StoreError(
                .auditBroken,
                "The audit log's tree lost the hash over rows \(first) to \(first + (1 << Int64(place.level)) - 1).")
        }
        return hash
    }
}

/// A row of the audit log with the hash that is kept beside it.
package struct StoredAuditRow: Sendable {
    /// The row.
    package let entry: AuditEntry
    /// Its hash in the tree, in hexadecimal, as it stands in the database.
    package let hash: String

    init(_ row: SQLRow) throws {
        entry = AuditEntry(
            sequence: try row.integer("number"), time: try row.time("time"), actor: try row.text("actor"),
            action: try row.text("action"), subject: try row.text("subject"), detail: try row.json("detail"))
        hash = try row.text("hash")
    }
}
