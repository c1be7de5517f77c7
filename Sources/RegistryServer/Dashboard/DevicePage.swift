import MartletAPI
import MartletTypes
import RegistryStore

extension Dashboard {
    /// A name with its value, in a list of facts.
    struct Fact {
        let name: String
        let value: String
    }

    private struct SlotView {
        let slot: String
        let serving: String
        let servingTone: String
        let desired: String
        let current: String
        let previous: String
        let state: String
        let stateTone: String
        let why: String?
        let override: String?
        let evaluation: String

        init(_ name: SlotName, _ slot: DeviceInfo.Slot) {
            self.slot = name.text
            serving = slot.serving ? "serving" : "not serving"
            servingTone = slot.serving ? "good" : (slot.desired.isEmpty ? "idle" : "bad")
            desired = PageWords.references(slot.desired)
            current = PageWords.references(slot.current)
            previous = PageWords.references(slot.previous)
            state = slot.state.map { PageWords.words($0.rawValue) } ?? "none yet"
            stateTone = PageWords.tone(slot.state)
            why = PageWords.why(slot.code, slot.message)
            override = slot.override
            evaluation = PageWords.evaluation(slot.evaluation)
        }
    }

    private struct Event {
        let time: String
        let what: String
        let tone: String
        let slot: String
        let releases: String
        let why: String?

        init(_ report: DeviceReport) {
            time = PageWords.time(report.time)
            what = report.state.map { PageWords.words($0.rawValue) } ?? report.code.map(PageWords.words) ?? "report"
            tone = PageWords.tone(report.state)
            slot = report.slot?.text ?? ""
            releases = report.releases.map(\.reference).joined(separator: " + ")
            why = report.state == nil ? report.message : PageWords.why(report.code, report.message)
        }
    }

    private struct Move {
        let time: String
        let slot: String
        let releases: String
        let why: String
        let outcome: String
        let tone: String

        init(_ move: DeviceMove) {
            time = PageWords.time(move.time)
            slot = move.slot.text
            releases = move.releases.isEmpty ? "nothing" : PageWords.references(move.releases)
            why = "\(move.actor): \(move.reason)"
            outcome = move.state.map { PageWords.words($0.rawValue) } ?? "not heard of"
            tone = PageWords.tone(move.state)
        }
    }

    /// Moves of slots that the page shows.
    private static let movesShown = 20

    private struct ChartView {
        let title: String
        let latest: String
        let svg: String

        init(_ chart: Chart) {
            title = chart.title
            latest = chart.latest
            svg = chart.svg
        }
    }

    /// One device: its slots, its last hour, what it is, what happened.
    func device(_ exchange: Exchange) async throws -> [String: Any] {
        let name: DeviceID = try exchange.parameter("device")
        let now = service.core.clock()
        let reach = try exchange.reach
        let info = try await service.device(name, reach)
        let (points, reports, moves) = try await service.core.database.read { sql in
            (
                try TelemetryStore(sql).minutes(
                    device: name, from: now - .seconds(3600), to: now, limit: ServerLimits.telemetryPoints
                ).map(TelemetryPoint.init).filter { $0.release.map { reach.contains($0) } ?? true },
                try ReportStore(sql).list(name, limit: 40).map { try DeviceReport($0.report) }
                    .filter { reach.contains($0.releases) },
                try OperatorService.moves(of: name, before: nil, limit: Self.movesShown, reach, sql)
            )
        }
        return [
            "title": name.text, "device": name.text, "status": DeviceRowView.status(info),
            "tone": DeviceRowView.tone(info), "labels": DeviceRowView.labels(info.labels),
            "hasSlots": !info.slots.isEmpty,
            "slots": info.slots.sorted { $0.key < $1.key }.map { SlotView($0.key, $0.value) },
            "charts": Self.charts(points, now: now).map(ChartView.init), "facts": Self.facts(info, now: now),
            "hasHistory": !reports.isEmpty, "history": reports.map(Event.init), "hasMoves": !moves.isEmpty,
            "moves": moves.map(Move.init),
        ]
    }

    private static func facts(_ info: DeviceInfo, now: Timestamp) -> [Fact] {
        var facts = [
            Fact(name: "Last seen", value: PageWords.ago(info.lastSeen, now: now)),
            Fact(name: "Enrolled", value: PageWords.time(info.enrolled)),
            Fact(name: "Certificate ends", value: PageWords.time(info.certificateExpires)),
            Fact(name: "Assignment", value: "number \(info.assignment)"),
            Fact(name: "Profile", value: info.profile ?? "–"), Fact(name: "Agent", value: info.agentVersion ?? "–"),
        ]
        if let hold = info.hold {
            facts.append(Fact(name: "Held out of rollouts", value: "by \(hold.by): \(hold.reason)"))
        }
        for (slot, pin) in (info.pins ?? [:]).sorted(by: { $0.key < $1.key }) {
            facts.append(Fact(name: "Slot \(slot) is pinned", value: "by \(pin.by): \(pin.reason)"))
        }
        if let held = info.held {
            let name = info.standing == .pending ? "Waiting" : info.standing == .revoked ? "Revoked" : "Held"
            facts.insert(Fact(name: name, value: held), at: 0)
        }
        if let inventory = info.inventory {
            let engines = inventory.engines.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            facts.append(Fact(name: "Engines", value: engines.isEmpty ? "–" : engines.joined(separator: ", ")))
            facts.append(Fact(name: "Store", value: inventory.storeBytes?.description ?? "cannot be read"))
        }
        return facts
    }

    /// Requests, latency and memory, minute by minute.
    private static func charts(_ points: [TelemetryPoint], now: Timestamp) -> [Chart] {
        let start = now - .seconds(3600)
        let slots = points.filter { $0.slot != nil }
        let box = points.filter { $0.slot == nil }
        func chart(
            _ title: String, _ values: [Chart.Point], _ format: @escaping @Sendable (Double) -> String
        ) -> Chart { Chart(title: title, points: values, start: start, end: now, format: format) }
        var requests: [Timestamp: Double] = [:]
        var errors: [Timestamp: Double] = [:]
        var latency: [Timestamp: Double] = [:]
        for point in slots {
            requests[point.time, default: 0] += Double(point.requests)
            errors[point.time, default: 0] += Double(point.errors + point.refused)
            if let p95 = point.p95Milliseconds { latency[point.time] = max(latency[point.time] ?? 0, p95) }
        }
        func sorted(_ values: [Timestamp: Double]) -> [Chart.Point] {
            values.sorted { $0.key < $1.key }.map { Chart.Point(time: $0.key, value: $0.value) }
        }
        func values(_ points: [TelemetryPoint], _ value: (TelemetryPoint) -> Double?) -> [Chart.Point] {
            points.compactMap { point in value(point).map { Chart.Point(time: point.time, value: $0) } }
        }
        return [
            chart("Requests per minute", sorted(requests)) { PageWords.number($0) },
            chart("Failed or refused per minute", sorted(errors)) { PageWords.number($0) },
            chart("Latency, 95th percentile", sorted(latency)) { "\(PageWords.number($0)) ms" },
            chart("Memory in use", values(box) { $0.memoryUsed.map { Double($0.bytes) / 1_048_576 } }) {
                "\(PageWords.number($0)) MiB"
            },
            chart("Processor", values(box, \.cpuPercent)) { "\(PageWords.number($0)) %" },
        ]
    }
}
