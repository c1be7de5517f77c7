package import MartletTypes
package import RolloutEngine

/// A rollout as it is kept: what was asked for, and the engine's state.
package struct RolloutRow: Sendable {
    package var id: RolloutID
    package var slot: SlotName
    /// The fleet that was named, if one was.
    package var fleet: FleetName?
    package var selector: LabelSelector
    package var releases: [ReleasePath]
    package var settings: SlotSettings
    package var createdBy: String
    package var created: Timestamp
    package var updated: Timestamp
    /// The engine's state. Its members are there only where they were asked for.
    package var run: RolloutRun
    /// Rises with each write; a write names the one that it has read.
    package var version: Int64
    /// The mark of the last write. With the version it is never given to two different states, even where a write was
    /// undone.
    package var stamp: Int64

    package init(
        slot: SlotName, fleet: FleetName?, selector: LabelSelector, settings: SlotSettings, createdBy: String,
        run: RolloutRun
    ) {
        id = run.header.id
        self.slot = slot
        self.fleet = fleet
        self.selector = selector
        releases = run.header.target
        self.settings = settings
        self.createdBy = createdBy
        created = run.header.created
        updated = run.header.created
        self.run = run
        version = 0
        stamp = 0
    }
}

/// What a slot was to run before a rollout moved it: the way back.
package enum PreviousDesired: Sendable, Hashable {
    /// The rollout has not moved this device.
    case unrecorded
    /// The slot was empty.
    case empty
    case slot(DesiredSlot)
}

/// Rollouts: the engine's state under a version, the devices' parts, the decisions.
package struct RolloutStore {
    let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps a new rollout with all its members; sets `version`.
    package func create(_ row: inout RolloutRow) throws {
        try sql.execute(
            """
            INSERT INTO rollouts (id, slot, fleet, selector, releases, settings, policy, state, is_open, reason, run,
                version, created, created_by, updated)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
            """,
            [
                .text(row.id), .text(row.slot), .text(row.fleet), .text(row.selector), try .json(row.releases),
                try .json(row.settings), try .json(row.run.header.policy), .text(row.run.header.state.rawValue),
                .flag(!row.run.header.state.isFinal), .text(row.run.header.reason), try .json(row.run.header),
                .time(row.created), .text(row.createdBy), .time(row.updated),
            ])
        row.version = 1
        try saveMembers(&row)
    }

    /// Writes the header and the members that changed; throws `versionConflict` where another replica was faster.
    /// `stamp` is a random number of the transaction.
    package func save(_ row: inout RolloutRow, stamp: Int64 = 0, now: Timestamp) throws {
        let due = [row.run.nextTick, row.run.nextMeasurement].compactMap(\.self).min()
        let changed = try sql.execute(
            """
            UPDATE rollouts SET state = ?, is_open = ?, reason = ?, run = ?, version = version + 1, stamp = ?,
                next_due = ?, updated = ?
            WHERE id = ? AND version = ?
            """,
            [
                .text(row.run.header.state.rawValue), .flag(!row.run.header.state.isFinal),
                .text(row.run.header.reason), try .json(row.run.header), .integer(stamp), .time(due), .time(now),
                .text(row.id), .integer(row.version),
            ])
        guard changed == 1 else {
            throw StoreError(.versionConflict, "Rollout \(row.id) is not at version \(row.version) any more.")
        }
        row.version += 1
        row.stamp = stamp
        row.updated = now
        try saveMembers(&row)
        try ChangeLog(sql).append(topic: .rollout, [row.id.text])
    }

    /// A rollout with its members.
    package func find(_ id: RolloutID) throws -> RolloutRow? {
        guard let row = try sql.first("SELECT * FROM rollouts WHERE id = ?", [.text(id)]) else { return nil }
        let members = try sql.query(
            "SELECT member FROM rollout_devices WHERE rollout = ? ORDER BY position", [.text(id)]
        ).map { try $0.json("member", RolloutMember.self) }
        return try Self.rollout(row, members: members)
    }

    /// The version and stamp of a rollout: whoever keeps one in memory sees by them whether it still holds. Nil where
    /// there is none.
    package func version(of id: RolloutID) throws -> (version: Int64, stamp: Int64)? {
        try sql.first("SELECT version, stamp FROM rollouts WHERE id = ?", [.text(id)])
            .map { (try $0.integer("version"), try $0.integer("stamp")) }
    }

    /// Open rollouts in which time has something to do, oldest first; those that were not written for `quiet` too, so
    /// that their clocks are kept.
    package func due(_ now: Timestamp, quiet: Duration) throws -> [RolloutID] {
        try sql.query(
            """
            SELECT id FROM rollouts WHERE is_open = 1 AND (next_due <= ? OR updated <= ? OR updated > ?)
            ORDER BY created, id
            """, [.time(now), .time(now - quiet), .time(now)]
        ).map { try $0.name("id") }
    }

    /// Rollouts that are not over, oldest first.
    package func open() throws -> [RolloutID] {
        try sql.query("SELECT id FROM rollouts WHERE is_open = 1 ORDER BY created, id", []).map { try $0.name("id") }
    }

    /// How rollouts that are not over stand.
    package func openHeaders() throws -> [RolloutHeader] {
        let rows = try sql.query("SELECT * FROM rollouts WHERE is_open = 1", [])
        return try rows.map { try Self.rollout($0, members: []).run.header }
    }

    /// Open rollouts of a slot that a device takes part in.
    package func open(slot: SlotName, device: DeviceID) throws -> [RolloutID] {
        try sql.query(
            """
            SELECT rollouts.id FROM rollouts
            JOIN rollout_devices ON rollout_devices.rollout = rollouts.id
            WHERE rollouts.is_open = 1 AND rollouts.slot = ? AND rollout_devices.device = ?
            ORDER BY rollouts.created, rollouts.id
            """, [.text(slot), .text(device)]
        ).map { try $0.name("id") }
    }

    /// Rollouts without their members, newest first, those before `last` where given; with devices by state.
    package func list(
        before last: RolloutID? = nil, limit: Int = Limits.pageRows
    ) throws -> [(rollout: RolloutRow, counts: [DeviceRolloutState: Int])] {
        var condition = "1 = 1"
        var arguments: [SQLValue] = []
        if let last, let row = try sql.first("SELECT created FROM rollouts WHERE id = ?", [.text(last)]) {
            let created = try row.value("created")
            condition = "(created < ? OR (created = ? AND id < ?))"
            arguments = [created, created, .text(last)]
        }
        let rows = try sql.query(
            "SELECT * FROM rollouts WHERE \(condition) ORDER BY created DESC, id DESC LIMIT ?",
            arguments + [.integer(Int64(limit))])
        return try rows.map { row in
            let rollout = try Self.rollout(row, members: [])
            return (rollout, try counts(rollout.id))
        }
    }

    /// Devices of a rollout by state.
    package func counts(_ id: RolloutID) throws -> [DeviceRolloutState: Int] {
        let rows = try sql.query(
            "SELECT state, COUNT(*) AS count FROM rollout_devices WHERE rollout = ? GROUP BY state", [.text(id)])
        return try rows.reduce(into: [:]) { $0[try $1.choice("state")] = Int(try $1.integer("count")) }
    }

    /// Remembers what a slot was to run before the rollout moved it. The first memory stays: a second assignment by the
    /// same rollout must not take its own target for the way back.
    package func recordPrevious(_ id: RolloutID, _ device: DeviceID, _ previous: DesiredSlot?) throws {
        if let previous, previous.rollout == id { return }
        try sql.execute(
            "UPDATE rollout_devices SET previous = ? WHERE rollout = ? AND device = ? AND previous IS NULL",
            [previous == nil ? .text("null") : try .json(previous), .text(id), .text(device)])
    }

    /// What a slot was to run before the rollout moved it.
    package func previous(_ id: RolloutID, _ device: DeviceID) throws -> PreviousDesired {
        let row = try sql.first(
            "SELECT previous FROM rollout_devices WHERE rollout = ? AND device = ?", [.text(id), .text(device)])
        guard let row, let text = try row.optionalText("previous") else { return .unrecorded }
        return text == "null" ? .empty : .slot(try row.json("previous"))
    }

    private func saveMembers(_ row: inout RolloutRow) throws {
        for (position, member) in row.run.takeChanges() {
            try sql.execute(
                """
                INSERT INTO rollout_devices (rollout, device, position, wave, state, member, updated)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (rollout, device) DO UPDATE SET state = excluded.state, member = excluded.member,
                    updated = excluded.updated
                """,
                [
                    .text(row.id), .text(member.device), .integer(Int64(position)), .integer(Int64(member.wave)),
                    .text(member.state.rawValue), try .json(member), .time(member.updated),
                ])
        }
    }

    private static func rollout(_ row: SQLRow, members: [RolloutMember]) throws -> RolloutRow {
        var rollout = RolloutRow(
            slot: try row.name("slot"), fleet: try row.optionalName("fleet"), selector: try row.name("selector"),
            settings: try row.json("settings"), createdBy: try row.text("created_by"),
            run: RolloutRun(header: try row.json("run"), members: members))
        rollout.updated = try row.time("updated")
        rollout.version = try row.integer("version")
        rollout.stamp = try row.integer("stamp")
        return rollout
    }
}
