package import MartletTypes
package import Telemetry

/// A minute of a device's slot, or of the whole box.
package struct TelemetryMinute: Sendable, Hashable {
    package var device: DeviceID
    package var rollup: TelemetryRollup
}

/// Telemetry by minute. Each export is taken once, however often it comes.
package struct TelemetryStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Adds an export's rows to the minutes; returns false where the export is here already.
    ///
    /// Idempotent by device, journal and sequence, which rises within a journal. Throws `notFound` for a journal that
    /// does not belong to the device.
    package func add(
        _ rows: [TelemetryRollup], from device: DeviceID, _ journal: JournalID, sequence: Int64
    ) throws -> Bool {
        let known = try sql.first(
            "SELECT highest_telemetry FROM device_journals WHERE device = ? AND journal = ? AND is_expected = 1",
            [.text(device), .text(journal)])
        guard let known else { throw StoreError(.notFound, "Journal \(journal) does not belong to device \(device).") }
        guard try known.integer("highest_telemetry") < sequence else { return false }
        try sql.execute(
            "UPDATE device_journals SET highest_telemetry = ? WHERE device = ? AND journal = ?",
            [.integer(sequence), .text(device), .text(journal)])
        for row in rows {
            var row = row
            if let kept = try find(device, row.key) { row.merge(kept) }
            try write(row, device)
        }
        return true
    }

    /// Minutes from `start` up to `end`, in the order of time: of one device or all, of one slot or all with the box.
    package func minutes(
        device: DeviceID? = nil, slot: SlotName? = nil, from start: Timestamp, to end: Timestamp,
        limit: Int = Limits.pageRows
    ) throws -> [TelemetryMinute] {
        var condition = "minute >= ? AND minute < ?"
        var arguments: [SQLValue] = [.time(start), .time(end)]
        if let device {
            condition += " AND device = ?"
            arguments.append(.text(device))
        }
        if let slot {
            condition += " AND slot = ?"
            arguments.append(.text(slot))
        }
        return try sql.query(
            "SELECT * FROM telemetry_minutes WHERE \(condition) ORDER BY minute, device, slot, generation LIMIT ?",
            arguments + [.integer(Int64(limit))]
        ).map { TelemetryMinute(device: try $0.name("device"), rollup: try Self.rollup($0)) }
    }

    /// Forgets minutes before `moment`; returns how many.
    package func prune(before moment: Timestamp) throws -> Int {
        try sql.execute("DELETE FROM telemetry_minutes WHERE minute < ?", [.time(moment)])
    }

    private func find(_ device: DeviceID, _ key: TelemetryRollup.Key) throws -> TelemetryRollup? {
        try sql.first(
            "SELECT * FROM telemetry_minutes WHERE device = ? AND slot = ? AND minute = ? AND generation = ?",
            [.text(device), .text(key.slot?.text ?? ""), .time(key.minute), .integer(Int64(key.generation))]
        ).map(Self.rollup)
    }

    private func write(_ row: TelemetryRollup, _ device: DeviceID) throws {
        try sql.execute(
            """
            INSERT INTO telemetry_minutes (device, slot, generation, minute, release, release_digest, profile, requests,
                errors, refused, cut_streams, input_tokens, output_tokens, duration, first_token, cpu_percent,
                memory_used, temperature_celsius, output_token, crashes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (device, slot, minute, generation) DO UPDATE SET release = excluded.release,
                release_digest = excluded.release_digest, profile = excluded.profile, requests = excluded.requests,
                errors = excluded.errors, refused = excluded.refused, cut_streams = excluded.cut_streams,
                input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
                duration = excluded.duration, first_token = excluded.first_token, cpu_percent = excluded.cpu_percent,
                memory_used = excluded.memory_used, temperature_celsius = excluded.temperature_celsius,
                output_token = excluded.output_token, crashes = excluded.crashes
            """,
            [
                .text(device), .text(row.key.slot?.text ?? ""), .integer(Int64(row.key.generation)),
                .time(row.key.minute), .optional(row.release), .optional(row.releaseDigest), .optional(row.profile),
                .integer(row.requests), .integer(row.errors), .integer(row.refused), .integer(row.cutStreams),
                .integer(row.inputTokens), .integer(row.outputTokens),
                try .json(row.duration.isEmpty ? nil : row.duration),
                try .json(row.timeToFirstToken.isEmpty ? nil : row.timeToFirstToken), .optional(row.cpuPercent),
                .optional(row.memoryUsed?.bytes), .optional(row.temperatureCelsius),
                try .json(row.timePerOutputToken.isEmpty ? nil : row.timePerOutputToken), .integer(row.crashes),
            ])
    }

    private static func rollup(_ row: SQLRow) throws -> TelemetryRollup {
        let slot = try row.text("slot")
        let key = TelemetryRollup.Key(
            slot: slot.isEmpty ? nil : try row.name("slot"), generation: Int(try row.integer("generation")),
            minute: try row.time("minute"))
        var rollup = TelemetryRollup(key: key)
        rollup.release = try row.optionalText("release")
        rollup.releaseDigest = try row.optionalText("release_digest")
        rollup.profile = try row.optionalText("profile")
        rollup.requests = try row.integer("requests")
        rollup.errors = try row.integer("errors")
        rollup.refused = try row.integer("refused")
        rollup.cutStreams = try row.integer("cut_streams")
        rollup.inputTokens = try row.integer("input_tokens")
        rollup.outputTokens = try row.integer("output_tokens")
        rollup.duration = try row.optionalJSON("duration") ?? ExponentialHistogram()
        rollup.timeToFirstToken = try row.optionalJSON("first_token") ?? ExponentialHistogram()
        rollup.timePerOutputToken = try row.optionalJSON("output_token") ?? ExponentialHistogram()
        rollup.crashes = try row.integer("crashes")
        rollup.cpuPercent = try row.optionalReal("cpu_percent")
        rollup.memoryUsed = try row.optionalInteger("memory_used").map { ByteCount($0) }
        rollup.temperatureCelsius = try row.optionalReal("temperature_celsius")
        return rollup
    }
}
