package import MartletTypes
package import Trust

/// Which of a slot's states a release belongs to.
package enum SlotPhase: String, Sendable, Codable, CaseIterable {
    /// What the director wants.
    case desired
    /// What serves, as the device says.
    case current
    /// What going back would bring, as the device says.
    case previous
}

/// What one slot shall run.
package struct DesiredSlot: Sendable, Hashable, Codable {
    /// One model, or one or more adapters on one base.
    package var releases: [ReleasePath]
    package var settings: SlotSettings
    package var update: UpdatePolicy
    /// The rollout that moved the slot, if one did.
    package var rollout: RolloutID?
    /// The assignment number at which the slot last changed; set by the store.
    package var generation: Int64

    package init(
        releases: [ReleasePath], settings: SlotSettings = SlotSettings(), update: UpdatePolicy = UpdatePolicy(),
        rollout: RolloutID? = nil, generation: Int64 = 0
    ) {
        self.releases = releases
        self.settings = settings
        self.update = update
        self.rollout = rollout
        self.generation = generation
    }
}

/// What a slot runs, as the device's inventory says.
package struct ReportedSlot: Sendable, Hashable {
    package var current: [ReleasePath]
    package var previous: [ReleasePath]
    package var generation: Int64
    package var serving: Bool
    /// The digest of the weights that serve.
    package var weights: Digest?
    /// The manifest of the variant that was chosen.
    package var variant: Digest?
    /// A local decision that stands against the assignment.
    package var override: String?

    package init(
        current: [ReleasePath], previous: [ReleasePath] = [], generation: Int64, serving: Bool, weights: Digest? = nil,
        variant: Digest? = nil, override: String? = nil
    ) {
        self.current = current
        self.previous = previous
        self.generation = generation
        self.serving = serving
        self.weights = weights
        self.variant = variant
        self.override = override
    }
}

/// Where the newest installation in a slot stands, from the device's reports.
package struct SlotProgress: Sendable, Hashable {
    package var state: DeviceRolloutState
    /// The slot's generation that it is about.
    package var generation: Int64?
    package var code: String?
    package var message: String?
    package var evaluation: EvaluationResult?
    package var rollout: RolloutID?
    package var updated: Timestamp

    package init(
        state: DeviceRolloutState, generation: Int64?, code: String? = nil, message: String? = nil,
        evaluation: EvaluationResult? = nil, rollout: RolloutID? = nil, updated: Timestamp
    ) {
        self.state = state
        self.generation = generation
        self.code = code
        self.message = message
        self.evaluation = evaluation
        self.rollout = rollout
        self.updated = updated
    }
}

/// All that is known of one slot; each part may be absent.
package struct SlotRow: Sendable, Hashable {
    package var desired: DesiredSlot?
    package var reported: ReportedSlot?
    package var progress: SlotProgress?
}

/// The slots of a device: what shall run, what does, and where the last installation stands.
package struct SlotStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// The names of all slots that are assigned on any of these devices.
    package func assigned(_ devices: Set<DeviceID>) throws -> Set<SlotName> {
        var rows: [SQLRow] = []
        if devices.count == 1, let device = devices.first {
            rows = try sql.query("SELECT device, slot FROM desired_slots WHERE device = ?", [.text(device)])
        } else {
            rows = try sql.query("SELECT device, slot FROM desired_slots", [])
        }
        return try rows.reduce(into: []) { names, row in
            if devices.contains(try row.name("device")) { names.insert(try row.name("slot")) }
        }
    }

    /// Every slot that is desired or reported.
    package func slots(of device: DeviceID) throws -> [SlotName: SlotRow] {
        var slots: [SlotName: SlotRow] = [:]
        let releases = try releases(of: device)
        for row in try sql.query("SELECT * FROM desired_slots WHERE device = ?", [.text(device)]) {
            let slot: SlotName = try row.name("slot")
            slots[slot, default: SlotRow()].desired = try Self.desired(row, releases[slot]?[.desired] ?? [])
        }
        for row in try sql.query("SELECT * FROM reported_slots WHERE device = ?", [.text(device)]) {
            let slot: SlotName = try row.name("slot")
            let known = releases[slot] ?? [:]
            slots[slot, default: SlotRow()].reported = ReportedSlot(
                current: known[.current] ?? [], previous: known[.previous] ?? [],
                generation: try row.integer("generation"),
                serving: try row.flag("is_serving"), weights: try row.optionalName("weights"),
                variant: try row.optionalName("variant"), override: try row.optionalText("override"))
            slots[slot]?.progress = try Self.progress(row)
        }
        return slots
    }

    /// What one slot shall run; nil where nothing is assigned.
    package func desired(_ device: DeviceID, _ slot: SlotName) throws -> DesiredSlot? {
        guard
            let row = try sql.first(
                "SELECT * FROM desired_slots WHERE device = ? AND slot = ?", [.text(device), .text(slot)])
        else { return nil }
        let paths = try sql.query(
            """
            SELECT repository, version FROM slot_releases WHERE device = ? AND slot = ? AND phase = 'desired'
            ORDER BY position
            """, [.text(device), .text(slot)]
        ).map { ReleasePath(repository: try $0.name("repository"), version: try $0.name("version")) }
        return try Self.desired(row, paths)
    }

    /// What a slot is to go back to once it was moved away now: what it is to run, or, where the device has not come to
    /// run that, what it runs. Nil where nothing is assigned.
    package func goingBack(_ device: DeviceID, _ slot: SlotName) throws -> DesiredSlot? {
        guard var desired = try desired(device, slot), desired.rollout != nil else {
            return try self.desired(device, slot)
        }
        let row = try sql.first(
            "SELECT state, state_generation FROM reported_slots WHERE device = ? AND slot = ?",
            [.text(device), .text(slot)])
        guard let row else { return desired }
        let state: DeviceRolloutState? = try row.optionalChoice("state")
        let isThere = try state == .succeeded && row.optionalInteger("state_generation") == desired.generation
        let current = try releases(of: device)[slot]?[.current] ?? []
        guard !isThere, !current.isEmpty, current != desired.releases else { return desired }
        desired.releases = current
        return desired
    }

    /// Takes over what an inventory says. A slot that it does not name runs nothing any more.
    func setReported(_ device: DeviceID, _ slots: [SlotName: ReportedSlot], now: Timestamp) throws {
        try sql.execute(
            """
            UPDATE reported_slots SET is_serving = 0, weights = NULL, variant = NULL, override = NULL WHERE device = ?
            """, [.text(device)])
        try sql.execute("DELETE FROM slot_releases WHERE device = ? AND phase <> 'desired'", [.text(device)])
        for (slot, reported) in slots {
            try sql.execute(
                """
                INSERT INTO reported_slots
                    (device, slot, generation, is_serving, weights, variant, override, updated)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (device, slot) DO UPDATE SET generation = excluded.generation,
                    is_serving = excluded.is_serving, weights = excluded.weights, variant = excluded.variant,
                    override = excluded.override
                """,
                [
                    .text(device), .text(slot), .integer(reported.generation), .flag(reported.serving),
                    .text(reported.weights), .text(reported.variant), .optional(reported.override), .time(now),
                ])
            try setReleases(device, slot, .current, reported.current)
            try setReleases(device, slot, .previous, reported.previous)
        }
    }

    /// What devices' slots said last where it was this code, with the device.
    package func messages(withCode code: String) throws -> [(device: DeviceID, message: String)] {
        try sql.query(
            "SELECT device, message FROM reported_slots WHERE code = ? AND message IS NOT NULL ORDER BY device, slot",
            [.text(code)]
        ).map { (try $0.name("device"), try $0.text("message")) }
    }

    /// Takes over where an installation stands, unless a newer generation is already spoken of.
    func setProgress(_ device: DeviceID, _ slot: SlotName, _ progress: SlotProgress) throws {
        try sql.execute(
            """
            INSERT INTO reported_slots
                (device, slot, state, state_generation, code, message, evaluation, rollout, updated)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (device, slot) DO UPDATE SET state = excluded.state,
                state_generation = excluded.state_generation, code = excluded.code, message = excluded.message,
                evaluation = CASE WHEN excluded.evaluation IS NULL
                    AND reported_slots.state_generation = excluded.state_generation
                    THEN reported_slots.evaluation ELSE excluded.evaluation END,
                rollout = excluded.rollout, updated = excluded.updated
            WHERE reported_slots.state_generation IS NULL
                OR reported_slots.state_generation <= COALESCE(excluded.state_generation, 0)
            """,
            [
                .text(device), .text(slot), .text(progress.state.rawValue), .optional(progress.generation),
                .optional(progress.code), .optional(progress.message), try .json(progress.evaluation),
                .text(progress.rollout), .time(progress.updated),
            ])
    }

    func setReleases(_ device: DeviceID, _ slot: SlotName, _ phase: SlotPhase, _ releases: [ReleasePath]) throws {
        try sql.execute(
            "DELETE FROM slot_releases WHERE device = ? AND slot = ? AND phase = ?",
            [.text(device), .text(slot), .text(phase.rawValue)])
        for (position, path) in releases.enumerated() {
            try sql.execute(
                """
                INSERT INTO slot_releases (device, slot, phase, position, repository, version)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
                [
                    .text(device), .text(slot), .text(phase.rawValue), .integer(Int64(position)),
                    .text(path.repository),
                    .text(path.version),
                ])
        }
    }

    func releases(of device: DeviceID) throws -> [SlotName: [SlotPhase: [ReleasePath]]] {
        var releases: [SlotName: [SlotPhase: [ReleasePath]]] = [:]
        let rows = try sql.query(
            "SELECT * FROM slot_releases WHERE device = ? ORDER BY slot, phase, position", [.text(device)])
        for row in rows {
            let path = ReleasePath(repository: try row.name("repository"), version: try row.name("version"))
            releases[try row.name("slot"), default: [:]][try row.choice("phase"), default: []].append(path)
        }
        return releases
    }

    private static func desired(_ row: SQLRow, _ releases: [ReleasePath]) throws -> DesiredSlot {
        DesiredSlot(
            releases: releases, settings: try row.json("settings"), update: try row.json("update_policy"),
            rollout: try row.optionalName("rollout"), generation: try row.integer("generation"))
    }

    private static func progress(_ row: SQLRow) throws -> SlotProgress? {
        guard let state: DeviceRolloutState = try row.optionalChoice("state") else { return nil }
        return SlotProgress(
            state: state, generation: try row.optionalInteger("state_generation"), code: try row.optionalText("code"),
            message: try row.optionalText("message"), evaluation: try row.optionalJSON("evaluation"),
            rollout: try row.optionalName("rollout"), updated: try row.time("updated"))
    }
}
