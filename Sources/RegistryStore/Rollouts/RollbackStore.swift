package import MartletTypes

/// A rollback of many devices, of which each step moves some.
package struct RollbackRow: Sendable {
    package var id: String
    /// What was asked for, and within which limits: documents of whoever keeps it.
    package var request: String
    package var reach: String
    package var actor: String
    package var created: Timestamp
    /// Slots that it began with.
    package var places: Int
    /// Those of them that were moved.
    package var moved = 0
    /// When none was left; nil while it is under way.
    package var finished: Timestamp?

    package init(
        id: String, request: String, reach: String, actor: String, created: Timestamp, places: Int
    ) {
        self.id = id
        self.request = request
        self.reach = reach
        self.actor = actor
        self.created = created
        self.places = places
    }
}

/// A slot of a device.
package struct SlotPlace: Sendable, Hashable {
    package var device: DeviceID
    package var slot: SlotName

    package init(device: DeviceID, slot: SlotName) {
        self.device = device
        self.slot = slot
    }
}

/// Rollbacks that take more than one transaction: what waits in them for its turn.
///
/// A slot waits in one rollback at most, the newest that names it.
package struct RollbackStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a rollback with the slots that are to be taken back; forgets the oldest of those that are finished.
    package func create(_ row: RollbackRow, _ places: [SlotPlace]) throws {
        try sql.execute(
            """
            INSERT INTO rollbacks (id, request, reach, actor, created, places) VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .text(row.id), .text(row.request), .text(row.reach), .text(row.actor), .time(row.created),
                .integer(Int64(row.places)),
            ])
        for place in places {
            try sql.execute(
                """
                INSERT INTO rollback_places (device, slot, rollback) VALUES (?, ?, ?)
                ON CONFLICT (device, slot) DO UPDATE SET rollback = excluded.rollback, skipped = NULL
                """, [.text(place.device), .text(place.slot), .text(row.id)])
        }
        try sql.execute(
            """
            DELETE FROM rollbacks WHERE finished IS NOT NULL AND id NOT IN
                (SELECT id FROM rollbacks ORDER BY created DESC, id DESC LIMIT ?)
            """, [.integer(Int64(StoreLimits.rollbacks))])
    }

    package func find(_ id: String) throws -> RollbackRow? {
        try sql.first("SELECT * FROM rollbacks WHERE id = ?", [.text(id)]).map(Self.row)
    }

    /// The oldest that is under way; nil where none is.
    package func next() throws -> RollbackRow? {
        try sql.first("SELECT * FROM rollbacks WHERE finished IS NULL ORDER BY created, id LIMIT 1", [])
            .map(Self.row)
    }

    /// Slots of a rollback whose turn comes next.
    package func waiting(_ id: String, limit: Int) throws -> [SlotPlace] {
        try sql.query(
            """
            SELECT device, slot FROM rollback_places WHERE rollback = ? AND skipped IS NULL
            ORDER BY device, slot LIMIT ?
            """, [.text(id), .integer(Int64(limit))]
        ).map { SlotPlace(device: try $0.name("device"), slot: try $0.name("slot")) }
    }

    /// How many slots of a rollback wait.
    package func waitingCount(_ id: String) throws -> Int {
        let row = try sql.first(
            "SELECT COUNT(*) AS count FROM rollback_places WHERE rollback = ? AND skipped IS NULL", [.text(id)])
        return Int(try row?.integer("count") ?? 0)
    }

    /// Devices of which a slot waits in any rollback: nobody else assigns it anything meanwhile.
    package func waiting(slot: SlotName) throws -> [DeviceID: String] {
        try sql.query(
            "SELECT device, rollback FROM rollback_places WHERE slot = ? AND skipped IS NULL", [.text(slot)]
        ).reduce(into: [:]) { $0[try $1.name("device")] = try $1.text("rollback") }
    }

    /// Slots that a rollback passed over, with why; at most `limit`, by device.
    package func skipped(_ id: String, limit: Int) throws -> [(place: SlotPlace, reason: String)] {
        try sql.query(
            """
            SELECT device, slot, skipped FROM rollback_places WHERE rollback = ? AND skipped IS NOT NULL
            ORDER BY device, slot LIMIT ?
            """, [.text(id), .integer(Int64(limit))]
        ).map {
            (SlotPlace(device: try $0.name("device"), slot: try $0.name("slot")), try $0.text("skipped"))
        }
    }

    /// Takes slots out, since they were moved: by their rollback or by somebody else.
    package func remove(_ places: some Sequence<SlotPlace>) throws {
        for place in places {
            try sql.execute(
                "DELETE FROM rollback_places WHERE device = ? AND slot = ?", [.text(place.device), .text(place.slot)])
        }
    }

    /// Notes why a slot is passed over.
    package func skip(_ place: SlotPlace, because reason: String) throws {
        try sql.execute(
            "UPDATE rollback_places SET skipped = ? WHERE device = ? AND slot = ?",
            [.text(reason), .text(place.device), .text(place.slot)])
    }

    /// Counts what a step moved; with `finished` none is left.
    package func note(_ id: String, moved: Int, finished: Timestamp?) throws {
        try sql.execute(
            "UPDATE rollbacks SET moved = moved + ?, finished = ? WHERE id = ?",
            [.integer(Int64(moved)), .time(finished), .text(id)])
    }

    private static func row(_ row: SQLRow) throws -> RollbackRow {
        var found = RollbackRow(
            id: try row.text("id"), request: try row.text("request"), reach: try row.text("reach"),
            actor: try row.text("actor"), created: try row.time("created"), places: Int(try row.integer("places")))
        found.moved = Int(try row.integer("moved"))
        found.finished = try row.optionalTime("finished")
        return found
    }
}
