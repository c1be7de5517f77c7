package import MartletTypes
package import RolloutEngine
internal import Telemetry

/// What a rollout's gates want to know about devices.
package struct EvidenceQuestion: Sendable {
    /// A device that serves the target.
    package struct Candidate: Sendable {
        package var device: DeviceID
        /// When it said first that it does.
        package var since: Timestamp
        package var evaluation: EvaluationResult?
        package var shadow: ShadowResult?

        package init(
            device: DeviceID, since: Timestamp, evaluation: EvaluationResult? = nil, shadow: ShadowResult? = nil
        ) {
            self.device = device
            self.since = since
            self.evaluation = evaluation
            self.shadow = shadow
        }
    }

    package var slot: SlotName
    /// The target as devices label their measurements with it.
    package var release: String
    package var candidates: [Candidate]
    /// Devices of the rollout that are not updated yet.
    package var baseline: [DeviceID]
    /// Nothing else is read.
    package var metrics: Set<RolloutMetric>

    package init(
        slot: SlotName, releases: [ReleasePath], candidates: [Candidate], baseline: [DeviceID],
        metrics: Set<RolloutMetric>
    ) {
        self.slot = slot
        release = releases.map(\.text).joined(separator: "+")
        self.candidates = candidates
        self.baseline = baseline
        self.metrics = metrics
    }
}

/// Reads what devices measured, as summaries of one device each.
///
/// The cost is bounded whatever the fleet: of many devices an even sample is read, of many minutes the newest.
package struct EvidenceStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// The whole present picture: candidates since each switched, not-yet-updated devices in the same time, and
    /// candidates in a time of the same length before they switched. A device without any measurement is left out.
    package func observations(_ question: EvidenceQuestion, now: Timestamp) throws -> [DeviceObservation] {
        let candidates = Self.sample(question.candidates)
        let baseline = Self.sample(question.baseline)
        guard !candidates.isEmpty, !question.metrics.isEmpty else { return [] }
        let horizon = now - .seconds(StoreLimits.evidenceHours * 3600)
        let limit = max(30, StoreLimits.evidenceRows / (2 * candidates.count + baseline.count))
        func read(
            _ device: DeviceID, _ side: DeviceObservation.Side, _ span: Range<Timestamp>, release: String? = nil
        ) throws -> DeviceSummary {
            try summary(device, question, span, release: release, limit: limit)
        }
        var observations: [DeviceObservation] = []
        func add(_ device: DeviceID, _ side: DeviceObservation.Side, _ summary: DeviceSummary) throws {
            let values = summary.values(question.metrics)
            guard !values.isEmpty else { return }
            let group = try DeviceStore(sql).profile(of: device) ?? ""
            observations.append(DeviceObservation(device: device, side: side, group: group, values: values))
        }
        var earliest = now
        for candidate in candidates {
            let since = max(horizon, Self.minute(candidate.since))
            earliest = min(earliest, since)
            var summary = try read(candidate.device, .candidate, since..<max(since, now), release: question.release)
            summary.evaluation = candidate.evaluation
            summary.shadow = candidate.shadow
            try add(candidate.device, .candidate, summary)
            // As long before the switch as it has served since, at least some minutes: a fresh switch must not make
            // the baseline empty.
            let length = max(.seconds(600), now - since)
            var before = try read(candidate.device, .previous, (since - length)..<since)
            if question.metrics.contains(.evaluationAccuracy) {
                before.evaluation = try evaluation(of: candidate.device, question.slot, before: candidate.since)
            }
            try add(candidate.device, .previous, before)
        }
        for device in baseline {
            var summary = try read(device, .baseline, earliest..<max(earliest, now))
            if question.metrics.contains(.evaluationAccuracy) {
                summary.evaluation = try evaluation(of: device, question.slot, before: now)
            }
            try add(device, .baseline, summary)
        }
        return observations
    }

    /// At most so many, evenly spaced, so that each wave has its share.
    package static func sample<Element>(
        _ all: [Element], most: Int = StoreLimits.evidenceDevices
    ) -> [Element] {
        guard all.count > most else { return all }
        return (0..<most).map { all[$0 * all.count / most] }
    }

    private static func minute(_ time: Timestamp) -> Timestamp {
        Timestamp(seconds: time.seconds - (time.seconds % 60 + 60) % 60)
    }

    /// A label of measurements names a slot's models, then its engine; a rollout may be of either.
    private static func pattern(_ release: String) -> String {
        "%+" + release.map { "!%_".contains($0) ? "!\($0)" : String($0) }.joined() + "+%"
    }

    private func summary(
        _ device: DeviceID, _ question: EvidenceQuestion, _ span: Range<Timestamp>, release: String?, limit: Int
    ) throws -> DeviceSummary {
        var summary = DeviceSummary()
        let metrics = question.metrics
        guard !span.isEmpty else { return summary }
        if !metrics.isDisjoint(with: DeviceSummary.ofSlot) {
            func column(_ name: String, _ wanted: RolloutMetric...) -> String {
                metrics.isDisjoint(with: wanted) ? "NULL AS \(name)" : name
            }
            let columns = [
                column("duration", .requestDuration), column("first_token", .timeToFirstToken),
                column("output_token", .timePerOutputToken, .tokensPerSecond),
            ].joined(separator: ", ")
            let ofRelease = release == nil ? "" : "AND ('+' || release || '+') LIKE ? ESCAPE '!'"
            let rows = try sql.query(
                """
                SELECT requests, errors, crashes, \(columns) FROM telemetry_minutes
                WHERE device = ? AND slot = ? AND minute >= ? AND minute < ? \(ofRelease)
                ORDER BY minute DESC LIMIT ?
                """,
                [.text(device), .text(question.slot), .time(span.lowerBound), .time(span.upperBound)]
                    + (release.map { [.text(Self.pattern($0))] } ?? []) + [.integer(Int64(limit))])
            for row in rows { try summary.add(row) }
        }
        if metrics.contains(.crashCount) {
            try summary.crashesReported = crashes(device, question.slot, span)
        }
        // A box that says how it is and nothing of a crash has none.
        if !metrics.isDisjoint(with: [.memoryUsed, .temperature, .crashCount]) {
            let box = try sql.first(
                """
                SELECT COUNT(*) AS minutes, AVG(memory_used) AS memory, MAX(temperature_celsius) AS temperature
                FROM telemetry_minutes WHERE device = ? AND slot = '' AND minute >= ? AND minute < ?
                """, [.text(device), .time(span.lowerBound), .time(span.upperBound)])
            summary.boxMinutes = Int(try box?.integer("minutes") ?? 0)
            summary.memory = try box?.optionalReal("memory")
            summary.temperature = try box?.optionalReal("temperature")
        }
        return summary
    }

    /// Reports by which a device said that a slot's engine ended by itself.
    private func crashes(_ device: DeviceID, _ slot: SlotName, _ span: Range<Timestamp>) throws -> Int {
        let row = try sql.first(
            """
            SELECT COUNT(*) AS count FROM reports WHERE device = ? AND slot = ? AND received >= ? AND received < ?
            AND code IN ('crashLoop', 'engineExited')
            """, [.text(device), .text(slot), .time(span.lowerBound), .time(span.upperBound)])
        return Int(try row?.integer("count") ?? 0)
    }

    /// The last evaluation that a device reported of a slot before a moment.
    private func evaluation(
        of device: DeviceID, _ slot: SlotName, before moment: Timestamp
    ) throws -> EvaluationResult? {
        let rows = try sql.query(
            """
            SELECT figures FROM reports WHERE device = ? AND slot = ? AND received < ? AND state = 'succeeded'
            AND figures IS NOT NULL ORDER BY number DESC LIMIT 1
            """, [.text(device), .text(slot), .time(moment)])
        return try rows.first?.json("figures", ReportedEvaluation.self).evaluation
    }

    private struct ReportedEvaluation: Decodable {
        let evaluation: EvaluationResult?
    }
}

/// What one device measured over one span.
struct DeviceSummary {
    /// Metrics that stand in a slot's minutes.
    static let ofSlot: Set<RolloutMetric> = [
        .crashCount, .requestErrorRate, .requestDuration, .timeToFirstToken, .timePerOutputToken, .tokensPerSecond,
    ]

    private var minutes = 0
    private var requests: Int64 = 0
    private var errors: Int64 = 0
    private var crashes: Int64 = 0
    private var duration = ExponentialHistogram()
    private var firstToken = ExponentialHistogram()
    private var outputToken = ExponentialHistogram()
    var crashesReported = 0
    var boxMinutes = 0
    var memory: Double?
    var temperature: Double?
    var evaluation: EvaluationResult?
    var shadow: ShadowResult?

    mutating func add(_ row: SQLRow) throws {
        minutes += 1
        requests += try row.integer("requests")
        errors += try row.integer("errors")
        crashes += try row.integer("crashes")
        if let part: ExponentialHistogram = try row.optionalJSON("duration") { duration.merge(part) }
        if let part: ExponentialHistogram = try row.optionalJSON("first_token") { firstToken.merge(part) }
        if let part: ExponentialHistogram = try row.optionalJSON("output_token") { outputToken.merge(part) }
    }

    /// The measurements of `metrics` that there are.
    func values(_ metrics: Set<RolloutMetric>) -> [RolloutMetric: DeviceObservation.Measurement] {
        var values: [RolloutMetric: DeviceObservation.Measurement] = [:]
        for metric in metrics {
            if let value = value(metric), value.value.isFinite { values[metric] = value }
        }
        return values
    }

    private func value(_ metric: RolloutMetric) -> DeviceObservation.Measurement? {
        switch metric {
        case .failureRate: nil
        case .crashCount:
            minutes > 0 || boxMinutes > 0 || crashesReported > 0
                ? .init(
                    value: Double(max(crashes, Int64(crashesReported))),
                    samples: max(Int(requests), minutes, boxMinutes, 1))
                : nil
        case .requestErrorRate:
            requests > 0 ? .init(value: Double(min(errors, requests)) / Double(requests), samples: Int(requests)) : nil
        case .requestDuration: Self.quantile(duration, 0.95)
        case .timeToFirstToken: Self.quantile(firstToken, 0.95)
        case .timePerOutputToken: Self.quantile(outputToken, 0.5)
        case .tokensPerSecond:
            Self.quantile(outputToken, 0.5).flatMap {
                $0.value > 0 ? .init(value: 1 / $0.value, samples: $0.samples) : nil
            }
        case .memoryUsed: memory.map { .init(value: $0, samples: boxMinutes) }
        case .temperature: temperature.map { .init(value: $0, samples: boxMinutes) }
        case .evaluationAccuracy:
            evaluation.flatMap { $0.rows > 0 ? .init(value: $0.accuracy, samples: $0.rows) : nil }
        case .shadowAgreement:
            shadow.flatMap { shadow in
                shadow.agreement.map { .init(value: $0, samples: shadow.compared) }
            }
        }
    }

    private static func quantile(
        _ histogram: ExponentialHistogram, _ fraction: Double
    ) -> DeviceObservation.Measurement? {
        histogram.quantile(fraction).map { .init(value: $0, samples: Int(clamping: histogram.count)) }
    }
}
