package import MartletTypes

/// Something that waits for the registry, with its place in the journal's order.
package struct Queued: Sendable, Hashable {
    package let sequence: Int64
    package let body: [UInt8]
}

// MARK: Reports

extension Journal {
    /// Adds a report that belongs to no transition.
    package func report(_ body: [UInt8]) throws(AgentStoreError) {
        try database.transaction { () throws(AgentStoreError) in try addReport(body) }
    }

    /// The oldest reports that the registry has not confirmed.
    package func reports(limit: Int) throws(AgentStoreError) -> [Queued] {
        try database.rows(
            "SELECT sequence, body FROM report ORDER BY sequence LIMIT ?", [.integer(Int64(limit))]
        ) { Queued(sequence: $0.integer(0), body: $0.blob(1)) }
    }

    /// Drops what the registry has confirmed.
    package func dropReports(through sequence: Int64) throws(AgentStoreError) {
        try database.execute("DELETE FROM report WHERE sequence <= ?", [.integer(sequence)])
    }

    /// Part of a transaction that the caller holds open.
    func addReport(_ body: [UInt8]) throws(AgentStoreError) {
        try database.execute("INSERT INTO report (body) VALUES (?)", [.blob(body)])
        try database.execute(
            "DELETE FROM report WHERE sequence <= ?",
            [.integer(database.lastInsertedRow - AgentStoreLimits.outboxReports)])
    }
}

// MARK: Measurements

extension Journal {
    /// Adds measurements and drops the oldest beyond `budget`; returns how many were dropped.
    @discardableResult
    package func spool(_ body: [UInt8], budget: ByteCount) throws(AgentStoreError) -> Int {
        try database.transaction { () throws(AgentStoreError) in
            try forgetSentMeasurements()
            try database.execute(
                "INSERT INTO telemetry (size, body) VALUES (?, ?)", [.integer(Int64(body.count)), .blob(body)])
            var excess = try database.rows("SELECT coalesce(sum(size), 0) FROM telemetry") { $0.integer(0) }.first ?? 0
            excess -= budget.bytes
            var dropped = 0
            while excess > 0 {
                let oldest = try database.rows("SELECT sequence, size FROM telemetry ORDER BY sequence LIMIT 1") {
                    ($0.integer(0), $0.integer(1))
                }
                guard let (sequence, size) = oldest.first else { break }
                try database.execute("DELETE FROM telemetry WHERE sequence = ?", [.integer(sequence)])
                excess -= size
                dropped += 1
            }
            return dropped
        }
    }

    /// The oldest measurements that were not sent; nil where all were.
    package func oldestMeasurements() throws(AgentStoreError) -> Queued? {
        try database.rows(
            "SELECT sequence, body FROM telemetry WHERE sequence > ? ORDER BY sequence LIMIT 1",
            [.integer(sentMeasurements)]
        ) {
            Queued(sequence: $0.integer(0), body: $0.blob(1))
        }.first
    }

    /// Drops measurements that were sent, with all before them: from the disk only with the next that are kept, so that
    /// an idle device writes once for each. A crash in between sends them again; the registry knows them by their
    /// number.
    package func dropMeasurements(_ sequence: Int64) { sentMeasurements = max(sentMeasurements, sequence) }

    func forgetSentMeasurements() throws(AgentStoreError) {
        guard sentMeasurements > 0, !database.isReadOnly else { return }
        try database.execute("DELETE FROM telemetry WHERE sequence <= ?", [.integer(sentMeasurements)])
    }
}
