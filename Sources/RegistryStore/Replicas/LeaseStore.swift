package import MartletTypes

/// The right to do a task that one replica does at a time, with the number by which a late holder is found out.
package struct Lease: Sendable, Hashable {
    package let name: String
    package let owner: String
    /// Rises with each new holder.
    package let fence: Int64
    package let expires: Timestamp
}

/// Fenced leases: whoever writes under a lease checks it in the writing transaction.
package struct LeaseStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Takes a free or expired lease, or extends one's own; nil while another holds it.
    package func acquire(_ name: String, owner: String, for duration: Duration, now: Timestamp) throws -> Lease? {
        let row = try sql.first(
            """
            INSERT INTO leases (name, owner, fence, expires) VALUES (?, ?, 1, ?)
            ON CONFLICT (name) DO UPDATE SET
                fence = CASE WHEN leases.owner = excluded.owner AND leases.expires > ? THEN leases.fence
                    ELSE leases.fence + 1 END,
                owner = excluded.owner, expires = excluded.expires
            WHERE leases.owner = excluded.owner OR leases.expires <= ?
            RETURNING *
            """, [.text(name), .text(owner), .time(now + duration), .time(now), .time(now)])
        return try row.map {
            Lease(name: name, owner: owner, fence: try $0.integer("fence"), expires: try $0.time("expires"))
        }
    }

    /// Throws `leaseLost` unless the lease is still this holder's: to be called in the transaction that it guards.
    package func check(_ lease: Lease) throws {
        let row = try sql.first(
            "SELECT 1 AS one FROM leases WHERE name = ? AND owner = ? AND fence = ?",
            [.text(lease.name), .text(lease.owner), .integer(lease.fence)])
        guard row != nil else {
            throw StoreError(.leaseLost, "The lease \(lease.name) went to another replica.")
        }
    }

    /// Gives a lease back early, at shutdown.
    package func release(_ lease: Lease) throws {
        try sql.execute(
            "UPDATE leases SET expires = 0 WHERE name = ? AND owner = ? AND fence = ?",
            [.text(lease.name), .text(lease.owner), .integer(lease.fence)])
    }
}
