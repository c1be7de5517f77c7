package import MartletTypes

/// One thing that happened on a device.
package struct ReportRow: Sendable, Hashable {
    /// Rises by one within a journal.
    package var sequence: Int64
    package var time: Timestamp
    package var slot: SlotName?
    package var generation: Int64?
    package var rollout: RolloutID?
    package var releases: [ReleasePath]
    package var state: DeviceRolloutState?
    package var code: String?
    package var message: String?
    /// Numbers of an installation, as the device sent them.
    package var figures: JSONValue?
    /// The evaluation among them.
    package var evaluation: EvaluationResult?
    /// What shadowing found, among them too.
    package var shadow: ShadowResult?

    package init(
        sequence: Int64, time: Timestamp, slot: SlotName? = nil, generation: Int64? = nil, rollout: RolloutID? = nil,
        releases: [ReleasePath] = [], state: DeviceRolloutState? = nil, code: String? = nil, message: String? = nil,
        figures: JSONValue? = nil, evaluation: EvaluationResult? = nil, shadow: ShadowResult? = nil
    ) {
        self.sequence = sequence
        self.time = time
        self.slot = slot
        self.generation = generation
        self.rollout = rollout
        self.releases = releases
        self.state = state
        self.code = code
        self.message = message
        self.figures = figures
        self.evaluation = evaluation
        self.shadow = shadow
    }
}

/// Devices' reports: each is taken once, however often it comes.
package struct ReportStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Keeps the reports that are new and applies them to the slots; returns these, and up to where the journal
    /// is here.
    ///
    /// Idempotent by device, journal and sequence. Throws `notFound` for a journal that does not belong to the device.
    package func accept(
        _ device: DeviceID, _ journal: JournalID, _ reports: [ReportRow], now: Timestamp
    ) throws -> (fresh: [ReportRow], highest: Int64) {
        let row = try sql.first(
            "SELECT highest_report FROM device_journals WHERE device = ? AND journal = ? AND is_expected = 1",
            [.text(device), .text(journal)])
        guard let row else { throw StoreError(.notFound, "Journal \(journal) does not belong to device \(device).") }
        var highest = try row.integer("highest_report")
        var fresh: [ReportRow] = []
        for report in reports.sorted(by: { $0.sequence < $1.sequence }) where report.sequence > highest {
            try insert(report, device, journal, now: now)
            try apply(report, to: device)
            if report.state == .failed { try tell(report, of: device, now: now) }
            fresh.append(report)
            highest = report.sequence
        }
        guard !fresh.isEmpty else { return ([], highest) }
        try sql.execute(
            "UPDATE device_journals SET highest_report = ? WHERE device = ? AND journal = ?",
            [.integer(highest), .text(device), .text(journal)])
        try prune(device)
        return (fresh, highest)
    }

    /// A device's reports, newest first, those before `number` where given; each with its number here.
    package func list(
        _ device: DeviceID, before number: Int64? = nil, limit: Int = Limits.pageRows
    ) throws -> [(number: Int64, received: Timestamp, report: ReportRow)] {
        try sql.query(
            "SELECT * FROM reports WHERE device = ? AND number < ? ORDER BY number DESC LIMIT ?",
            [.text(device), .integer(number ?? .max), .integer(Int64(limit))]
        ).map { (try $0.integer("number"), try $0.time("received"), try Self.report($0)) }
    }

    /// The newest report of a device about a slot, about one generation of it where given.
    package func last(_ device: DeviceID, slot: SlotName, generation: Int64? = nil) throws -> ReportRow? {
        try sql.first(
            """
            SELECT * FROM reports WHERE device = ? AND slot = ? AND state IS NOT NULL
            AND (CAST(? AS BIGINT) IS NULL OR generation = ?) ORDER BY number DESC LIMIT 1
            """, [.text(device), .text(slot), .optional(generation), .optional(generation)]
        ).map(Self.report)
    }

    private func insert(_ report: ReportRow, _ device: DeviceID, _ journal: JournalID, now: Timestamp) throws {
        let last = try sql.first("SELECT MAX(number) AS last FROM reports WHERE device = ?", [.text(device)])
        let number = (try last?.optionalInteger("last") ?? 0) + 1
        try sql.execute(
            """
            INSERT INTO reports (device, journal, sequence, number, time, received, slot, generation, rollout, releases,
                state, code, message, figures)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(device), .text(journal), .integer(report.sequence), .integer(number), .time(report.time),
                .time(now), .text(report.slot), .optional(report.generation), .text(report.rollout),
                try .json(report.releases), .optional(report.state?.rawValue), .optional(report.code),
                .optional(report.message), try .json(report.figures),
            ])
    }

    private func apply(_ report: ReportRow, to device: DeviceID) throws {
        guard let slot = report.slot, let state = report.state else { return }
        try SlotStore(sql).setProgress(
            device, slot,
            SlotProgress(
                state: state, generation: report.generation, code: report.code, message: report.message,
                evaluation: report.evaluation, rollout: report.rollout, updated: report.time))
    }

    /// Without the device's own words: what a model answered to a probe may stand in them.
    private func tell(_ report: ReportRow, of device: DeviceID, now: Timestamp) throws {
        var scope = try EventMapping(sql).scope(of: device)
        scope.namespaces = Set(report.releases.map(\.repository.namespace)).sorted()
        var data: [String: JSONValue] = [
            "slot": .string(report.slot?.text ?? ""), "code": .string(report.code ?? ""),
            "releases": .array(report.releases.map { .string($0.text) }),
        ]
        data["rollout"] = report.rollout.map { .string($0.text) }
        data["generation"] = report.generation.map { .integer($0) }
        try EventLog(sql).append(.deviceFailed, subject: device.text, data: .object(data), scope: scope, now: now)
    }

    private func prune(_ device: DeviceID) throws {
        try sql.execute(
            "DELETE FROM reports WHERE device = ? AND number <= (SELECT MAX(number) FROM reports WHERE device = ?) - ?",
            [.text(device), .text(device), .integer(Int64(StoreLimits.reportsPerDevice))])
    }

    private static func report(_ row: SQLRow) throws -> ReportRow {
        let figures: JSONValue? = try row.optionalJSON("figures")
        return ReportRow(
            sequence: try row.integer("sequence"), time: try row.time("time"), slot: try row.optionalName("slot"),
            generation: try row.optionalInteger("generation"), rollout: try row.optionalName("rollout"),
            releases: try row.json("releases"), state: try row.optionalChoice("state"),
            code: try row.optionalText("code"), message: try row.optionalText("message"), figures: figures)
    }
}
