package import MartletTypes

/// A join token, without its secret.
package struct JoinTokenRow: Sendable, Hashable {
    package var id: String
    /// Devices it may still enrol.
    package var usesLeft: Int
    package var created: Timestamp
    package var createdBy: String
    package var expires: Timestamp
    /// Labels that every device that joins by it gets.
    package var labels: Labels
    /// The only name that it may enrol, also in place of a box that has it; nil is any free name.
    package var device: DeviceID?
    /// Whether what joins by it waits for an operator's approval.
    package var needsApproval: Bool

    package init(
        id: String, usesLeft: Int, created: Timestamp, createdBy: String, expires: Timestamp, labels: Labels = .none,
        device: DeviceID? = nil, needsApproval: Bool = false
    ) {
        self.id = id
        self.usesLeft = usesLeft
        self.created = created
        self.createdBy = createdBy
        self.expires = expires
        self.labels = labels
        self.device = device
        self.needsApproval = needsApproval
    }
}

/// Join tokens: counted, expiring, used up in the transaction that enrols the device.
package struct JoinTokenStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a new token.
    package func create(_ token: JoinTokenRow, secret: String) throws {
        try sql.execute(
            """
            INSERT INTO join_tokens
                (id, secret_hash, uses_left, labels, device, needs_approval, created, created_by, expires)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(token.id), .text(SecretHash.of(secret)), .integer(Int64(token.usesLeft)),
                try .json(token.labels), .text(token.device), .flag(token.needsApproval), .time(token.created),
                .text(token.createdBy), .time(token.expires),
            ])
    }

    /// The unexpired token that has this secret, also where it is used up; throws `joinTokenRefused`.
    package func find(secret: String, now: Timestamp) throws -> JoinTokenRow {
        let hash = SecretHash.of(secret)
        guard
            let row = try sql.first(
                "SELECT * FROM join_tokens WHERE secret_hash = ? AND expires > ?", [.text(hash), .time(now)]),
            SecretHash.equal(try row.text("secret_hash"), hash)
        else { throw Self.refused }
        return try Self.token(row)
    }

    /// Uses the token once; throws `joinTokenRefused` where it is unknown, spent or expired (one answer for all three).
    package func consume(secret: String, now: Timestamp) throws -> JoinTokenRow {
        let row = try sql.first(
            """
            UPDATE join_tokens SET uses_left = uses_left - 1
            WHERE secret_hash = ? AND uses_left > 0 AND expires > ? RETURNING *
            """, [.text(SecretHash.of(secret)), .time(now)])
        guard let row else { throw Self.refused }
        return try Self.token(row)
    }

    /// Tokens that can still be used, newest first.
    package func list(now: Timestamp) throws -> [JoinTokenRow] {
        try sql.query(
            "SELECT * FROM join_tokens WHERE uses_left > 0 AND expires > ? ORDER BY created DESC, id", [.time(now)]
        ).map(Self.token)
    }

    /// Revokes a token; returns whether it was there.
    package func delete(id: String) throws -> Bool {
        try sql.execute("DELETE FROM join_tokens WHERE id = ?", [.text(id)]) > 0
    }

    /// Forgets tokens that ended before `moment`, with the answers to enrolments by them; returns how many.
    package func prune(before moment: Timestamp) throws -> Int {
        try sql.execute("DELETE FROM join_tokens WHERE expires < ?", [.time(moment)])
    }

    private static let refused = StoreError(
        .joinTokenRefused, "The join token is unknown, used up, expired or revoked.")

    private static func token(_ row: SQLRow) throws -> JoinTokenRow {
        JoinTokenRow(
            id: try row.text("id"), usesLeft: Int(try row.integer("uses_left")), created: try row.time("created"),
            createdBy: try row.text("created_by"), expires: try row.time("expires"), labels: try row.json("labels"),
            device: try row.optionalName("device"), needsApproval: try row.flag("needs_approval"))
    }
}
