package import MartletTypes

/// Endpoints that events are sent to; their secrets are not here.
package struct WebhookStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a new one.
    package func create(_ webhook: WebhookRow) throws {
        try sql.execute(
            """
            INSERT INTO webhooks (id, url, types, namespaces, fleets, is_enabled, secrets, event, created, created_by)
            VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?)
            """,
            [
                .text(webhook.id), .text(webhook.url), .text(webhook.filter.text), try .json(webhook.namespaces),
                try .json(webhook.fleets), try .json(webhook.secrets), .integer(webhook.event),
                .time(webhook.created), .text(webhook.createdBy),
            ])
    }

    /// Writes what an operator may change: address, filter, limits, secrets, and where it stands.
    package func update(_ webhook: WebhookRow) throws {
        try sql.execute(
            """
            UPDATE webhooks SET url = ?, types = ?, namespaces = ?, fleets = ?, secrets = ?, event = ? WHERE id = ?
            """,
            [
                .text(webhook.url), .text(webhook.filter.text), try .json(webhook.namespaces),
                try .json(webhook.fleets), try .json(webhook.secrets), .integer(webhook.event), .text(webhook.id),
            ])
    }

    /// Ends deliveries until it is enabled again; those that wait go on waiting.
    package func disable(_ id: String, reason: String) throws {
        try sql.execute(
            "UPDATE webhooks SET is_enabled = 0, disabled_reason = ? WHERE id = ?", [.text(reason), .text(id)])
    }

    /// Goes on where it stood, as if it had never failed.
    package func enable(_ id: String) throws {
        try sql.execute(
            """
            UPDATE webhooks SET is_enabled = 1, disabled_reason = NULL, failing_since = NULL, failures = 0,
                rest_until = 0
            WHERE id = ?
            """, [.text(id)])
    }

    /// One by its identifier.
    package func find(_ id: String) throws -> WebhookRow? {
        try sql.first("SELECT * FROM webhooks WHERE id = ?", [.text(id)]).map(WebhookRow.init)
    }

    /// All, oldest first.
    package func list() throws -> [WebhookRow] {
        try sql.query("SELECT * FROM webhooks ORDER BY created, id", []).map(WebhookRow.init)
    }

    /// Removes one with its deliveries; returns whether it was there.
    package func delete(_ id: String) throws -> Bool {
        try sql.execute("DELETE FROM webhooks WHERE id = ?", [.text(id)]) > 0
    }

    /// Whether any is enabled: without one there is nothing to do.
    package func hasEnabled() throws -> Bool {
        try sql.first("SELECT 1 AS one FROM webhooks WHERE is_enabled = 1 LIMIT 1", []) != nil
    }

    /// Notes that everything before `event`, this included, was looked at.
    package func advance(_ id: String, to event: Int64) throws {
        try sql.execute("UPDATE webhooks SET event = ? WHERE id = ?", [.integer(event), .text(id)])
    }

    /// Notes an attempt that succeeded.
    package func noteSuccess(_ id: String) throws {
        try sql.execute(
            """
            UPDATE webhooks SET failing_since = NULL, failures = 0, rest_until = 0
            WHERE id = ? AND failing_since IS NOT NULL
            """, [.text(id)])
    }

    /// Notes an attempt that failed; nothing is sent to it before `rest`. Returns since when all have failed.
    package func noteFailure(_ id: String, restUntil rest: Timestamp, now: Timestamp) throws -> Timestamp {
        let row = try sql.first(
            """
            UPDATE webhooks SET failing_since = COALESCE(failing_since, ?), failures = failures + 1, rest_until = ?
            WHERE id = ? RETURNING failing_since
            """, [.time(now), .time(rest), .text(id)])
        return try row?.time("failing_since") ?? now
    }
}
