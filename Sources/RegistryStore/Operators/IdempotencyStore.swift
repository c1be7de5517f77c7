package import MartletTypes

/// An answer that was given to a write, to be given again when the write is repeated.
package struct StoredAnswer: Sendable, Hashable {
    package var status: Int
    package var mediaType: String
    package var body: [UInt8]

    package init(status: Int, mediaType: String, body: [UInt8]) {
        self.status = status
        self.mediaType = mediaType
        self.body = body
    }
}

/// Answers by idempotency key and caller (draft-ietf-httpapi-idempotency-key-header).
package struct IdempotencyStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// The answer given before under this key; nil where there is none. `request` is the digest of method, path and
    /// body. Throws `idempotencyMismatch` where the key was used for another request.
    package func find(caller: String, key: String, request: Digest) throws -> StoredAnswer? {
        guard
            let row = try sql.first(
                "SELECT * FROM idempotency WHERE caller = ? AND key = ?", [.text(caller), .text(key)])
        else { return nil }
        guard try row.text("request") == request.text else {
            throw StoreError(.idempotencyMismatch, "The idempotency key was used for another request.")
        }
        return StoredAnswer(
            status: Int(try row.integer("status")), mediaType: try row.text("media_type"), body: try row.blob("body"))
    }

    /// Keeps an answer, in the transaction of the write. An answer too large to keep is not kept.
    package func put(_ answer: StoredAnswer, caller: String, key: String, request: Digest, now: Timestamp) throws {
        guard answer.body.count <= StoreLimits.idempotentAnswerBytes else { return }
        try sql.execute(
            """
            INSERT INTO idempotency (caller, key, request, status, media_type, body, created)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (caller, key) DO NOTHING
            """,
            [
                .text(caller), .text(key), .text(request), .integer(Int64(answer.status)), .text(answer.mediaType),
                .blob(answer.body), .time(now),
            ])
    }

    /// Forgets answers from before `moment`; returns how many.
    package func prune(before moment: Timestamp) throws -> Int {
        try sql.execute("DELETE FROM idempotency WHERE created < ?", [.time(moment)])
    }
}
