package import MartletTypes
package import Trust

/// A change to what one slot of one device shall run.
package struct DesiredMove: Sendable, Hashable {
    package var device: DeviceID
    package var slot: SlotName
    /// What it shall run from now on; nil empties the slot.
    package var desired: DesiredSlot?
    /// Whether this takes the slot back to what it had: then a release that was blocked since is let pass. What was
    /// yanked, or is below its floor, is not: devices refuse it.
    package var isRestore: Bool
    /// Whether this is what the slot runs already: nothing is installed by it, so that even what was taken back passes.
    package var isStanding: Bool
    /// Who moves it.
    package var actor: String
    /// Why, for the device's history.
    package var reason: String

    package init(
        device: DeviceID, slot: SlotName, desired: DesiredSlot?, isRestore: Bool = false, isStanding: Bool = false,
        actor: String, reason: String
    ) {
        self.device = device
        self.slot = slot
        self.desired = desired
        self.isRestore = isRestore
        self.isStanding = isStanding
        self.actor = actor
        self.reason = reason
    }
}

/// A move that was made.
package struct DesiredChange: Sendable, Hashable {
    package var device: DeviceID
    package var slot: SlotName
    /// What was desired before; nil where the slot was empty.
    package var from: DesiredSlot?
    package var to: DesiredSlot?
    /// The device's assignment number that says so.
    package var number: Int64
}

/// One row of a device's history: what a slot was to run from when on, and why.
package struct SlotHistoryRow: Sendable, Hashable, Codable {
    package var number: Int64
    package var slot: SlotName
    package var releases: [ReleasePath]
    package var rollout: RolloutID?
    package var actor: String
    package var reason: String
    package var time: Timestamp
}

/// What devices shall run: per-slot rows under one number for each device that only ever rises.
package struct AssignmentStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Makes moves in this transaction; each device's number rises once, and is the generation of its moved slots.
    ///
    /// Throws `notFound` for a device or release that is unknown, `wrongKind` for releases that cannot share a slot,
    /// `conflict` for one that is blocked or yanked, or for a slot too many. A call with one
    /// move that throws one of these has written nothing. Wakes the devices' polls through the change log.
    @discardableResult
    package func setDesired(_ moves: [DesiredMove], now: Timestamp) throws -> [DesiredChange] {
        try setDesiredEach(moves, now: now).map { try $0.get() }
    }

    /// The same for many at once, each for itself: a move that is refused for one of the reasons above has written
    /// nothing, and the others are made. In the order of `moves`.
    package func setDesiredEach(
        _ moves: [DesiredMove], now: Timestamp
    ) throws -> [Result<DesiredChange, StoreError>] {
        var numbers: [DeviceID: Int64] = [:]
        var verdicts: [Target: StoreError?] = [:]
        var results: [Result<DesiredChange, StoreError>] = []
        results.reserveCapacity(moves.count)
        for move in moves {
            do {
                if let desired = move.desired, !move.isStanding {
                    // Thousands of devices go to the same few releases: each is looked at once.
                    let target = Target(releases: desired.releases, isRestore: move.isRestore)
                    let known = verdicts[target]
                    let verdict = try known ?? refusal(of: desired, isRestore: move.isRestore)
                    if known == nil { verdicts[target] = .some(verdict) }
                    if let verdict { throw verdict }
                }
                results.append(.success(try make(move, &numbers, now: now)))
            } catch let error as StoreError where [.notFound, .conflict, .wrongKind].contains(error.kind) {
                results.append(.failure(error))
            }
        }
        try ChangeLog(sql).append(topic: .assignment, numbers.keys.map(\.text))
        return results
    }

    private struct Target: Hashable {
        let releases: [ReleasePath]
        let isRestore: Bool
    }

    private func make(
        _ move: DesiredMove, _ numbers: inout [DeviceID: Int64], now: Timestamp
    ) throws -> DesiredChange {
        let slots = SlotStore(sql)
        let before = try slots.desired(move.device, move.slot)
        if before == nil, move.desired != nil { try admitSlot(to: move.device) }
        let number = try numbers[move.device] ?? raise(move.device)
        numbers[move.device] = number
        var desired = move.desired
        desired?.generation = number
        try write(desired, move, now: now)
        try slots.setReleases(move.device, move.slot, .desired, desired?.releases ?? [])
        for path in desired?.releases ?? [] {
            try sql.execute(
                """
                INSERT INTO assigned_releases (device, repository, version) VALUES (?, ?, ?)
                ON CONFLICT (device, repository, version) DO NOTHING
                """, [.text(move.device), .text(path.repository), .text(path.version)])
        }
        try sql.execute(
            """
            INSERT INTO slot_history (device, number, slot, releases, rollout, actor, reason, time)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (device, number, slot) DO UPDATE SET releases = excluded.releases,
                rollout = excluded.rollout, actor = excluded.actor, reason = excluded.reason
            """,
            [
                .text(move.device), .integer(number), .text(move.slot), try .json(desired?.releases ?? []),
                .text(desired?.rollout), .text(move.actor), .text(move.reason), .time(now),
            ])
        return DesiredChange(device: move.device, slot: move.slot, from: before, to: desired, number: number)
    }

    /// Why a slot cannot be moved to `desired`; nil where it can.
    package func refusal(of desired: DesiredSlot, isRestore: Bool = false) throws -> StoreError? {
        guard (1...Limits.releasesPerSlot).contains(desired.releases.count) else {
            return StoreError(
                .wrongKind, "A slot runs 1 to \(Limits.releasesPerSlot) releases, not \(desired.releases.count).")
        }
        guard Set(desired.releases.map(\.repository)).count == desired.releases.count else {
            return StoreError(.wrongKind, "A slot runs at most one release of a repository.")
        }
        var rows: [ReleaseRow] = []
        for path in desired.releases {
            guard let row = try ReleaseStore(sql).find(path) else {
                return StoreError(.notFound, "There is no release \(path.reference).")
            }
            if row.state == .yanked || (row.state == .blocked && !isRestore) {
                return StoreError(.conflict, "\(path.reference) is \(row.state.rawValue).")
            }
            if let floor = row.floor, row.isBelowFloor {
                return StoreError(
                    .conflict, "\(path.reference) is below \(floor), the floor that its publisher set.")
            }
            rows.append(row)
        }
        let models = rows.filter { $0.kind != .engine }
        guard rows.count - models.count <= 1, !models.isEmpty else {
            return StoreError(.wrongKind, "A slot runs one engine at most, and none without a model.")
        }
        guard models.count == 1 || (models.allSatisfy { $0.kind == .adapter } && Set(models.map(\.base)).count == 1)
        else { return StoreError(.wrongKind, "Several releases share a slot only as adapters of one base.") }
        return nil
    }

    /// The number of a device's newest assignment, 0 before the first; nil for an unknown device. Cheap: for polls.
    package func number(of device: DeviceID) throws -> Int64? {
        try sql.first("SELECT assignment FROM devices WHERE device = ?", [.text(device)])?.integer("assignment")
    }

    /// Goes on above a number that a device has already accepted: this registry was restored from an older backup.
    /// All slots count as changed. Returns the device's number, unchanged where it is high enough.
    package func continueAbove(_ accepted: Int64, device: DeviceID) throws -> Int64 {
        guard let number = try number(of: device) else { throw DeviceStore.unknown(device) }
        guard accepted > number else { return number }
        try sql.execute(
            "UPDATE devices SET assignment = ? WHERE device = ?", [.integer(accepted + 1), .text(device)])
        try sql.execute(
            "UPDATE desired_slots SET generation = ? WHERE device = ?", [.integer(accepted + 1), .text(device)])
        return accepted + 1
    }

    /// The statement to be signed for a device: all its slots at its number. Throws `notFound`.
    package func compose(_ device: DeviceID, issued: Timestamp, expires: Timestamp) throws -> Assignment {
        guard let number = try number(of: device) else { throw DeviceStore.unknown(device) }
        var slots: [SlotName: SlotAssignment] = [:]
        for (slot, row) in try SlotStore(sql).slots(of: device) {
            guard let desired = row.desired else { continue }
            slots[slot] = SlotAssignment(
                releases: try desired.releases.map(assigned), settings: desired.settings,
                generation: desired.generation, rollout: desired.rollout, update: desired.update)
        }
        return Assignment(device: device, number: number, issued: issued, expires: expires, slots: slots)
    }

    /// What the device's slots were to run, newest first.
    package func history(
        of device: DeviceID, before number: Int64? = nil, limit: Int = Limits.pageRows
    ) throws -> [SlotHistoryRow] {
        try sql.query(
            "SELECT * FROM slot_history WHERE device = ? AND number < ? ORDER BY number DESC, slot LIMIT ?",
            [.text(device), .integer(number ?? .max), .integer(Int64(limit))]
        ).map {
            SlotHistoryRow(
                number: try $0.integer("number"), slot: try $0.name("slot"), releases: try $0.json("releases"),
                rollout: try $0.optionalName("rollout"), actor: try $0.text("actor"), reason: try $0.text("reason"),
                time: try $0.time("time"))
        }
    }

    private func assigned(_ path: ReleasePath) throws -> AssignedRelease {
        let row = try sql.first(
            "SELECT index_digest, length FROM releases WHERE repository = ? AND version = ?",
            [.text(path.repository), .text(path.version)])
        guard let row else { throw StoreError(.corrupt, "Assigned release \(path.reference) is gone.") }
        return AssignedRelease(
            path: path, indexDigest: try row.name("index_digest"), length: try row.integer("length"))
    }

    private func admitSlot(to device: DeviceID) throws {
        let row = try sql.first("SELECT COUNT(*) AS count FROM desired_slots WHERE device = ?", [.text(device)])
        guard try row?.integer("count") ?? 0 < Int64(Limits.slotsPerDevice) else {
            throw StoreError(.conflict, "Device \(device) has \(Limits.slotsPerDevice) slots already.")
        }
    }

    private func raise(_ device: DeviceID) throws -> Int64 {
        let row = try sql.first(
            "UPDATE devices SET assignment = assignment + 1 WHERE device = ? RETURNING assignment", [.text(device)])
        guard let row else { throw DeviceStore.unknown(device) }
        return try row.integer("assignment")
    }

    private func write(_ desired: DesiredSlot?, _ move: DesiredMove, now: Timestamp) throws {
        guard let desired else {
            try sql.execute(
                "DELETE FROM desired_slots WHERE device = ? AND slot = ?", [.text(move.device), .text(move.slot)])
            return
        }
        try sql.execute(
            """
            INSERT INTO desired_slots (device, slot, generation, settings, update_policy, rollout, updated)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (device, slot) DO UPDATE SET generation = excluded.generation, settings = excluded.settings,
                update_policy = excluded.update_policy, rollout = excluded.rollout, updated = excluded.updated
            """,
            [
                .text(move.device), .text(move.slot), .integer(desired.generation), try .json(desired.settings),
                try .json(desired.update), .text(desired.rollout), .time(now),
            ])
    }
}
