package import MartletTypes

/// Nonces that renewing devices sign: each is good once, until it expires.
package struct NonceStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a nonce that was made for a caller; drops expired ones.
    package func issue(_ nonce: String, expires: Timestamp, now: Timestamp) throws {
        try sql.execute("DELETE FROM renewal_nonces WHERE expires <= ?", [.time(now)])
        try sql.execute(
            "INSERT INTO renewal_nonces (nonce_hash, expires) VALUES (?, ?)",
            [.text(SecretHash.of(nonce)), .time(expires)])
    }

    /// Uses a nonce up; returns whether it was good.
    package func consume(_ nonce: String, now: Timestamp) throws -> Bool {
        try sql.execute(
            "DELETE FROM renewal_nonces WHERE nonce_hash = ? AND expires > ?",
            [.text(SecretHash.of(nonce)), .time(now)]
        ) > 0
    }
}
