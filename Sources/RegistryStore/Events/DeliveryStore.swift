package import MartletTypes

/// Events on their way to webhooks: what waits, what arrived, what was given up.
package struct DeliveryStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Puts an event on its way; nothing happens where it is already.
    package func add(_ event: Int64, to webhook: String, now: Timestamp) throws {
        let known = try sql.first(
            "SELECT number FROM webhook_deliveries WHERE webhook = ? AND event = ?", [.text(webhook), .integer(event)])
        guard known == nil else { return }
        try sql.execute(
            """
            INSERT INTO webhook_deliveries (number, webhook, event, state, next_attempt, created, updated)
            VALUES (?, ?, ?, 'pending', ?, ?, ?)
            """,
            [
                .integer(try sql.next("deliveries")), .text(webhook), .integer(event), .time(now), .time(now),
                .time(now),
            ])
    }

    /// How many wait for a webhook.
    package func pending(_ webhook: String) throws -> Int {
        try count(webhook, .pending)
    }

    /// How many there are of a state.
    package func count(_ webhook: String, _ state: DeliveryState) throws -> Int {
        let row = try sql.first(
            "SELECT COUNT(*) AS count FROM webhook_deliveries WHERE webhook = ? AND state = ?",
            [.text(webhook), .text(state.rawValue)])
        return Int(try row?.integer("count") ?? 0)
    }

    /// Webhooks for which something is due, the one that waits longest first.
    package func due(now: Timestamp) throws -> [String] {
        try sql.query(
            """
            SELECT webhook, MIN(next_attempt) AS first FROM webhook_deliveries
            JOIN webhooks ON webhooks.id = webhook_deliveries.webhook
            WHERE state = 'pending' AND next_attempt <= ? AND is_enabled = 1 AND rest_until <= ?
            GROUP BY webhook ORDER BY first, webhook
            """, [.time(now), .time(now)]
        ).map { try $0.text("webhook") }
    }

    /// What is due for one webhook, in the order of the events.
    package func due(_ webhook: String, now: Timestamp, limit: Int) throws -> [DeliveryRow] {
        try rows(
            """
            webhook = ? AND state = 'pending' AND next_attempt <= ? ORDER BY webhook_deliveries.number LIMIT ?
            """, [.text(webhook), .time(now), .integer(Int64(limit))])
    }

    /// Deliveries before `number` (nil: the newest) in falling order, of one webhook and state where given.
    package func list(
        _ webhook: String? = nil, state: DeliveryState? = nil, before number: Int64? = nil,
        limit: Int = Limits.pageRows
    ) throws -> [DeliveryRow] {
        var conditions = ["webhook_deliveries.number < ?"]
        var arguments: [SQLValue] = [.integer(number ?? .max)]
        if let webhook {
            conditions.append("webhook = ?")
            arguments.append(.text(webhook))
        }
        if let state {
            conditions.append("state = ?")
            arguments.append(.text(state.rawValue))
        }
        return try rows(
            conditions.joined(separator: " AND ") + " ORDER BY webhook_deliveries.number DESC LIMIT ?",
            arguments + [.integer(Int64(limit))])
    }

    /// One by its number.
    package func find(_ number: Int64) throws -> DeliveryRow? {
        try rows("webhook_deliveries.number = ?", [.integer(number)]).first
    }

    /// Notes how an attempt ended. Nothing happens where the delivery was thrown away meanwhile.
    package func note(
        _ number: Int64, state: DeliveryState, nextAttempt: Timestamp, status: Int64?, error: String?, now: Timestamp
    ) throws {
        let error = error.map { SQLValue.storable(String($0.prefix(StoreLimits.deliveryErrorBytes))) }
        try sql.execute(
            """
            UPDATE webhook_deliveries SET state = ?, attempts = attempts + 1, next_attempt = ?, status = ?, error = ?,
                updated = ?
            WHERE number = ?
            """,
            [
                .text(state.rawValue), .time(nextAttempt), .optional(status), .optional(error), .time(now),
                .integer(number),
            ])
    }

    /// Sends one again from its first attempt on, whatever came of it; returns whether it is there.
    package func replay(_ number: Int64, now: Timestamp) throws -> Bool {
        try sql.execute(
            """
            UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_attempt = ?, updated = ?
            WHERE number = ?
            """, [.time(now), .time(now), .integer(number)]) > 0
    }

    /// Throws one away; returns whether it was there.
    package func delete(_ number: Int64) throws -> Bool {
        try sql.execute("DELETE FROM webhook_deliveries WHERE number = ?", [.integer(number)]) > 0
    }

    /// Forgets what arrived before `delivered` and what was given up before `dead`, and the oldest dead ones of each
    /// webhook beyond `StoreLimits.deadDeliveries`.
    package func prune(delivered: Timestamp, dead: Timestamp) throws {
        for (state, moment) in [(DeliveryState.delivered, delivered), (.dead, dead)] {
            try sql.execute(
                """
                DELETE FROM webhook_deliveries WHERE number IN (
                    SELECT number FROM webhook_deliveries WHERE state = ? AND updated < ? ORDER BY number LIMIT ?)
                """, [.text(state.rawValue), .time(moment), .integer(Int64(StoreLimits.pruneRows))])
        }
        for webhook in try WebhookStore(sql).list() {
            let limit = try sql.first(
                """
                SELECT number FROM webhook_deliveries WHERE webhook = ? AND state = 'dead'
                ORDER BY number DESC LIMIT 1 OFFSET ?
                """, [.text(webhook.id), .integer(Int64(StoreLimits.deadDeliveries))])
            guard let limit else { continue }
            try sql.execute(
                "DELETE FROM webhook_deliveries WHERE webhook = ? AND state = 'dead' AND number <= ?",
                [.text(webhook.id), try limit.value("number")])
        }
    }

    private func rows(_ condition: String, _ arguments: [SQLValue]) throws -> [DeliveryRow] {
        try sql.query(
            """
            SELECT webhook_deliveries.number AS delivery, webhook, state, attempts, next_attempt, status, error,
                created, updated, events.*
            FROM webhook_deliveries JOIN events ON events.number = webhook_deliveries.event WHERE \(condition)
            """, arguments
        ).map { row in
            DeliveryRow(
                number: try row.integer("delivery"), webhook: try row.text("webhook"), state: try row.choice("state"),
                attempts: try row.integer("attempts"), nextAttempt: try row.time("next_attempt"),
                status: try row.optionalInteger("status"), error: try row.optionalText("error"),
                created: try row.time("created"), updated: try row.time("updated"), event: try EventRow.row(row))
        }
    }
}
