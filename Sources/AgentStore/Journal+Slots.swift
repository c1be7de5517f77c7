package import MartletTypes

extension Journal {
    /// Every slot's record, by name.
    package func slots() throws(AgentStoreError) -> [SlotRecord] {
        let rows = try database.rows("SELECT name, record FROM slot ORDER BY name") { ($0.text(0), $0.blob(1)) }
        var records: [SlotRecord] = []
        for (name, bytes) in rows {
            do {
                records.append(try JSONText.decode(SlotRecord.self, from: bytes))
            } catch {
                throw AgentStoreError(
                    .journalUnusable, "The journal's record of slot \(name) cannot be read: \(error).")
            }
        }
        return records
    }

    /// Writes a slot's new state with its line of history and the reports it causes: all or nothing.
    ///
    /// Must return before anything is done about the new state.
    package func save(
        _ record: SlotRecord, transition: Transition?, reports: [[UInt8]] = []
    ) throws(AgentStoreError) {
        let body = try Self.encode(record)
        try database.transaction { () throws(AgentStoreError) in
            try database.execute(
                """
                INSERT INTO slot (name, record) VALUES (?, ?)
                ON CONFLICT (name) DO UPDATE SET record = excluded.record
                """,
                [.text(record.slot.text), .blob(body)])
            if let transition { try add(transition) }
            for report in reports { try addReport(report) }
        }
    }

    /// Forgets a slot that was emptied.
    package func remove(_ slot: SlotName, transition: Transition?, reports: [[UInt8]] = []) throws(AgentStoreError) {
        try database.transaction { () throws(AgentStoreError) in
            try database.execute("DELETE FROM slot WHERE name = ?", [.text(slot.text)])
            if let transition { try add(transition) }
            for report in reports { try addReport(report) }
        }
    }

    /// The last lines of a slot's history, newest first.
    package func history(of slot: SlotName, limit: Int) throws(AgentStoreError) -> [Transition] {
        try database.rows(
            "SELECT time, before, after, cause FROM transition WHERE slot = ? ORDER BY number DESC LIMIT ?",
            [.text(slot.text), .integer(Int64(limit))]
        ) { row in
            Transition(
                time: Timestamp(milliseconds: row.integer(0)), slot: slot,
                from: SlotPhase(rawValue: row.text(1)) ?? .idle,
                to: SlotPhase(rawValue: row.text(2)) ?? .idle, cause: row.text(3))
        }
    }

    private func add(_ transition: Transition) throws(AgentStoreError) {
        try database.execute(
            "INSERT INTO transition (time, slot, before, after, cause) VALUES (?, ?, ?, ?, ?)",
            [
                .integer(transition.time.milliseconds), .text(transition.slot.text), .text(transition.from.rawValue),
                .text(transition.to.rawValue), .text(transition.cause),
            ])
        try database.execute(
            "DELETE FROM transition WHERE number <= ?",
            [.integer(database.lastInsertedRow - AgentStoreLimits.historyTransitions)])
    }

    static func encode(_ value: some Encodable) throws(AgentStoreError) -> [UInt8] {
        do {
            return try JSONText.encode(value)
        } catch {
            throw AgentStoreError(.malformed, "A record could not be written as JSON: \(error).")
        }
    }
}

// MARK: Evaluations

extension Journal {
    /// The result of a release's variant on this device; nil where it was never evaluated here.
    package func evaluation(release: Digest, variant: Digest) throws(AgentStoreError) -> EvaluationResult? {
        let body = try database.rows(
            "SELECT result FROM evaluation WHERE release = ? AND variant = ?",
            [.text(release.text), .text(variant.text)]
        ) { $0.blob(0) }.first
        guard let body else { return nil }
        do {
            return try JSONText.decode(EvaluationResult.self, from: body)
        } catch {
            throw AgentStoreError(.journalUnusable, "An evaluation in the journal cannot be read: \(error).")
        }
    }

    /// Remembers a result, so that the same release is not evaluated here again.
    package func remember(
        _ result: EvaluationResult, release: Digest, variant: Digest, at time: Timestamp
    ) throws(AgentStoreError) {
        let body = try Self.encode(result)
        try database.transaction { () throws(AgentStoreError) in
            try database.execute(
                """
                INSERT INTO evaluation (release, variant, result, time) VALUES (?, ?, ?, ?)
                ON CONFLICT (release, variant) DO UPDATE SET result = excluded.result, time = excluded.time
                """,
                [.text(release.text), .text(variant.text), .blob(body), .integer(time.milliseconds)])
            try database.execute(
                """
                DELETE FROM evaluation WHERE time < (SELECT min(time) FROM
                (SELECT time FROM evaluation ORDER BY time DESC LIMIT ?))
                """, [.integer(AgentStoreLimits.rememberedEvaluations)])
        }
    }
}
