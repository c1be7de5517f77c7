package import MartletTypes
internal import Trust

/// What happened, for webhooks and the stream: written in the transaction of the change, so that what was decided is
/// told, and what was rolled back is not.
package struct EventLog {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Adds an event.
    @discardableResult
    package func append(
        _ type: EventType, subject: String, data: JSONValue = .object([:]), scope: EventScope = EventScope(),
        now: Timestamp
    ) throws -> EventRow {
        let number = try sql.next(Self.counter)
        let subject = SQLValue.storable(subject)
        let seed: JSONValue = .object([
            "number": .integer(number), "time": .string(now.description), "type": .string(type.rawValue),
            "subject": .string(subject), "data": data,
        ])
        // Of all that it says, so that a number that is given again after a restore gives another name.
        let id = "evt_" + Digest.of(try JSONText.encode(seed)).hex.prefix(32)
        let event = EventRow(
            number: number, id: id, type: type, time: now, subject: subject, data: data, scope: scope)
        try sql.execute(
            """
            INSERT INTO events (number, id, type, time, subject, data, namespaces, device, labels, fleet, rollout)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(number), .text(id), .text(type.rawValue), .time(now), .text(subject), try .json(data),
                scope.namespaces.isEmpty ? .null : try .json(scope.namespaces), .text(scope.device),
                try .json(scope.labels), .text(scope.fleet), .text(scope.rollout),
            ])
        return event
    }

    /// Adds the event of a row of the audit log, where its action has one.
    func append(_ entry: AuditEntry) throws {
        guard case .event(let type) = EventMapping.outcome(of: entry.action) else { return }
        var data = entry.detail.object ?? [:]
        data["actor"] = .string(entry.actor)
        data["action"] = .string(entry.action)
        data["auditRow"] = .integer(entry.sequence)
        try append(
            type, subject: entry.subject, data: .object(data), scope: try EventMapping(sql).scope(of: entry),
            now: entry.time)
    }

    /// The newest number, 0 before the first. Cheap: every process asks several times a second.
    package func newest() throws -> Int64 {
        try sql.first("SELECT value FROM counters WHERE name = ?", [.text(Self.counter)])?.integer("value") ?? 0
    }

    /// The oldest number that is kept; nil where there is none.
    package func oldest() throws -> Int64? {
        try sql.first("SELECT number FROM events ORDER BY number LIMIT 1", [])?.integer("number")
    }

    /// Events after a number, in rising order.
    package func rows(after number: Int64, limit: Int = Limits.pageRows) throws -> [EventRow] {
        try sql.query(
            "SELECT * FROM events WHERE number > ? ORDER BY number LIMIT ?", [.integer(number), .integer(Int64(limit))]
        ).map(EventRow.row)
    }

    /// Events before a number (nil: the newest) in falling order.
    package func rows(before number: Int64?, limit: Int = Limits.pageRows) throws -> [EventRow] {
        try sql.query(
            "SELECT * FROM events WHERE number < ? ORDER BY number DESC LIMIT ?",
            [.integer(number ?? .max), .integer(Int64(limit))]
        ).map(EventRow.row)
    }

    /// The event with a number; nil where it is not kept.
    package func find(number: Int64) throws -> EventRow? {
        try sql.first("SELECT * FROM events WHERE number = ?", [.integer(number)]).map(EventRow.row)
    }

    /// The event with a name; nil where it is not kept.
    package func find(id: String) throws -> EventRow? {
        try sql.first("SELECT * FROM events WHERE id = ?", [.text(id)]).map(EventRow.row)
    }

    /// Whether there is an event of a type on a subject since `moment`.
    package func has(_ type: EventType, subject: String, since moment: Timestamp) throws -> Bool {
        try sql.first(
            "SELECT 1 AS one FROM events WHERE time >= ? AND type = ? AND subject = ? LIMIT 1",
            [.time(moment), .text(type.rawValue), .text(subject)]) != nil
    }

    /// Forgets events from before `moment`, and the oldest beyond `StoreLimits.eventRows`; those that a delivery still
    /// names stay. At most `StoreLimits.pruneRows` at once, so that the writer is not held for long. Returns how many.
    package func prune(before moment: Timestamp) throws -> Int {
        try sql.execute(
            """
            DELETE FROM events WHERE number IN (
                SELECT number FROM events WHERE (time < ? OR number <= ?)
                AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook_deliveries.event = events.number)
                ORDER BY number LIMIT ?)
            """,
            [
                .time(moment), .integer(try newest() - Int64(StoreLimits.eventRows)),
                .integer(Int64(StoreLimits.pruneRows)),
            ])
    }

    private static let counter = "events"
}
