package import MartletTypes

/// Why rollouts pass a slot of a device, or the whole device, over.
package struct ExemptionRow: Sendable, Hashable {
    package var device: DeviceID
    /// The pinned slot; nil holds the device out with all its slots.
    package var slot: SlotName?
    package var reason: String
    package var actor: String
    package var since: Timestamp
    /// When it ends by itself; nil lasts until it is lifted.
    package var expires: Timestamp?

    package init(
        device: DeviceID, slot: SlotName?, reason: String, actor: String, since: Timestamp, expires: Timestamp? = nil
    ) {
        self.device = device
        self.slot = slot
        self.reason = reason
        self.actor = actor
        self.since = since
        self.expires = expires
    }
}

/// Pins of slots and holds of devices. One that has expired counts no more, before it is removed too.
package struct ExemptionStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Pins or holds; a former reason and end are replaced. Throws `conflict` for a device that is not there.
    package func put(_ row: ExemptionRow) throws {
        try sql.execute(
            """
            INSERT INTO exemptions (device, slot, reason, actor, since, expires) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (device, slot) DO UPDATE SET reason = excluded.reason, actor = excluded.actor,
                since = excluded.since, expires = excluded.expires
            """,
            [
                .text(row.device), .text(row.slot?.text ?? ""), .text(row.reason), .text(row.actor), .time(row.since),
                .time(row.expires),
            ])
    }

    /// Lifts a pin, or with `slot` nil a hold; returns whether there was one.
    package func remove(_ device: DeviceID, _ slot: SlotName?) throws -> Bool {
        try sql.execute(
            "DELETE FROM exemptions WHERE device = ? AND slot = ?", [.text(device), .text(slot?.text ?? "")]) > 0
    }

    /// All of a device's, the hold first.
    package func list(_ device: DeviceID, now: Timestamp) throws -> [ExemptionRow] {
        try sql.query(
            "SELECT * FROM exemptions WHERE device = ? AND (expires IS NULL OR expires > ?) ORDER BY slot",
            [.text(device), .time(now)]
        ).map(Self.row)
    }

    /// What keeps rollouts of a slot off devices, by device; a hold before a pin.
    package func list(slot: SlotName, now: Timestamp) throws -> [DeviceID: ExemptionRow] {
        let rows = try sql.query(
            "SELECT * FROM exemptions WHERE slot IN ('', ?) AND (expires IS NULL OR expires > ?) ORDER BY device, slot",
            [.text(slot), .time(now)])
        return Dictionary(try rows.map(Self.row).map { ($0.device, $0) }) { first, _ in first }
    }

    /// Devices whose slot is pinned.
    package func pins(slot: SlotName, now: Timestamp) throws -> [DeviceID: ExemptionRow] {
        let rows = try sql.query(
            "SELECT * FROM exemptions WHERE slot = ? AND (expires IS NULL OR expires > ?)", [.text(slot), .time(now)])
        return Dictionary(try rows.map(Self.row).map { ($0.device, $0) }) { first, _ in first }
    }

    /// Whether one has expired and is still kept. Cheap.
    package func isAnyExpired(now: Timestamp) throws -> Bool {
        try sql.first("SELECT 1 AS one FROM exemptions WHERE expires <= ? LIMIT 1", [.time(now)]) != nil
    }

    /// Removes those that have expired; returns them.
    package func takeExpired(now: Timestamp) throws -> [ExemptionRow] {
        let rows = try sql.query("SELECT * FROM exemptions WHERE expires <= ? ORDER BY device, slot", [.time(now)])
        guard !rows.isEmpty else { return [] }
        try sql.execute("DELETE FROM exemptions WHERE expires <= ?", [.time(now)])
        return try rows.map(Self.row)
    }

    private static func row(_ row: SQLRow) throws -> ExemptionRow {
        let slot = try row.text("slot")
        return ExemptionRow(
            device: try row.name("device"), slot: slot.isEmpty ? nil : try row.name("slot"),
            reason: try row.text("reason"), actor: try row.text("actor"), since: try row.time("since"),
            expires: try row.optionalTime("expires"))
    }
}
