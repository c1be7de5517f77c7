package import MartletAPI
package import MartletTypes

/// The live view of a rollout, as lines for a terminal of some size.
package struct RolloutScreen: Sendable {
    /// What the terminal can do.
    package struct Terminal: Sendable, Hashable {
        package var columns: Int
        package var rows: Int
        /// Whether it shows more than ASCII.
        package var isUnicode: Bool

        package init(columns: Int, rows: Int, isUnicode: Bool) {
            self.columns = columns
            self.rows = rows
            self.isUnicode = isUnicode
        }
    }

    private let info: RolloutInfo
    private let now: Timestamp
    private let terminal: Terminal
    private let note: String?

    /// With a note about the watching itself, such as that the registry is away.
    package init(_ info: RolloutInfo, now: Timestamp, terminal: Terminal, note: String? = nil) {
        self.info = info
        self.now = now
        self.terminal = terminal
        self.note = note
    }

    /// At most `terminal.rows - 1` lines: one is left for the cursor, so that nothing scrolls.
    package var lines: [StyledLine] {
        let head = header
        let room = max(0, terminal.rows - 1)
        // What is left after header and sections that say most goes to those that say least.
        var sections: [[StyledLine]] = []
        var left = room - head.count
        for (lines, least) in [(waves, 3), (gates, 3), (atWork, 3), (latest, 3)] where !lines.isEmpty && left > least {
            // One line apart from what stands above.
            let taken = Array(lines.prefix(left - 1))
            sections.append([StyledLine()] + taken)
            left -= taken.count + 1
        }
        let whole = (head + sections.flatMap(\.self)).prefix(room)
        return terminal.isUnicode ? Array(whole) : whole.map(\.inASCII)
    }

    /// The lines as they are written, each cut at the terminal's width.
    package func text(colours: Bool) -> [String] {
        lines.map { $0.rendered(width: terminal.columns, colours: colours, isUnicode: terminal.isUnicode) }
    }

    // MARK: - Header

    private var header: [StyledLine] {
        var first = StyledLine("Rollout \(info.id)", .strong)
        first.add("  \(RolloutWords.aim(info))  ")
        first.add(RolloutWords.state(info), stateShade)
        var facts = ["\(Elapsed.text(now - info.created)) so far"]
        if !info.state.isFinal {
            let wave = min(info.wave + 1, info.waves)
            let phase = info.state == .running ? info.phase.map { ", \(RolloutWords.phase($0))" } ?? "" : ""
            facts.insert("wave \(wave) of \(info.waves)\(phase)", at: 0)
            let pace = RolloutPace(info, now: now)
            if let perMinute = pace.perMinute { facts.append("\(Self.tenths(perMinute)) devices a minute") }
            if let end = pace.end {
                facts.append("about \(Elapsed.text(end - now)) left (\(Elapsed.clock(end, now: now)))")
            } else if info.state == .running {
                facts.append("end not known yet")
            }
        }
        var lines = [first, StyledLine(facts.joined(separator: ", "), .faint)]
        if info.state != .running, !info.reason.isEmpty { lines += sentence(info.reason, stateShade) }
        if let next = NextStep.forWaiting(info) { lines += sentence("Next: \(next)", .warning) }
        if let note { lines += sentence(note, .warning) }
        return lines
    }

    /// Lines of one sentence: why it stands still, and what to do, are told whole where that is not a novel.
    private static let sentenceLines = 3

    private func sentence(_ text: String, _ shade: Shade) -> [StyledLine] {
        StyledLine.wrapped(text, shade, width: terminal.columns, most: Self.sentenceLines)
    }

    private var stateShade: Shade {
        switch info.state {
        case .completed: info.counts["succeeded", default: 0] > 0 ? .good : .bad
        case .running: info.phase == RolloutWords.confirming ? .warning : .busy
        case .paused, .draft, .rollingBack: .warning
        case .rolledBack, .aborted: .bad
        }
    }

    // MARK: - Waves

    /// Waves shown at once: those around the one at work.
    private static let wavesShown = 8

    private var waves: [StyledLine] {
        let progress = info.progress ?? []
        guard !progress.isEmpty else { return [] }
        let start = max(0, min(info.wave - Self.wavesShown / 2, progress.count - Self.wavesShown))
        let shown = progress.indices.dropFirst(start).prefix(Self.wavesShown)
        let barWidth = max(8, min(40, terminal.columns - 50))
        return shown.map { index in
            let wave = progress[index]
            let isAtWork = index == info.wave && !info.state.isFinal
            let groups = StateCounts.groups(wave.counts)
            var line = StyledLine(isAtWork ? "▸ " : "  ", .busy)
            line.add(Columns.pad("wave \(index + 1)", 9), isAtWork ? .strong : .plain)
            for (group, cells) in StateGroup.cells(groups, width: barWidth) {
                let cell = group.cell(isUnicode: terminal.isUnicode)
                line.add(String(repeating: cell, count: cells), group.shade)
            }
            let over = wave.devices - groups[.atWork, default: 0] - groups[.pending, default: 0]
            line.add(" " + Columns.pad("\(over)/\(wave.devices)", 12))
            line.add(StateCounts.text(wave.counts), .faint)
            return line
        }
    }

    // MARK: - Gates

    private static let gatesShown = 8

    private var gates: [StyledLine] {
        let gates = info.gates ?? []
        guard !gates.isEmpty else { return [] }
        return [StyledLine("Gates", .strong)]
            + gates.prefix(Self.gatesShown).map { GateLine($0).line }
            + (gates.count > Self.gatesShown ? [StyledLine("  and \(gates.count - Self.gatesShown) more", .faint)] : [])
    }

    // MARK: - Devices

    private static let devicesShown = 8

    private var atWork: [StyledLine] {
        let devices = (info.devices ?? []).filter { $0.state.isInFlight }
        guard !devices.isEmpty else { return [] }
        let oldest = devices.sorted { ($0.updated, $0.device) < ($1.updated, $1.device) }
        var lines = [StyledLine("At work (\(devices.count))", .strong)]
        let names = min(24, oldest.prefix(Self.devicesShown).map { Columns.of($0.device.text) }.max() ?? 0)
        for device in oldest.prefix(Self.devicesShown) {
            let isWaiting = device.code == UpdateConditions.waitingCode
            var line = StyledLine("  " + Columns.pad(device.device.text, names) + "  ")
            let state = isWaiting ? "waiting" : device.state.rawValue
            line.add(Columns.pad(state, 12), isWaiting ? .warning : .busy)
            line.add(Columns.pad(Elapsed.text(now - device.updated), 8), .faint)
            if let message = device.message { line.add(message) }
            lines.append(line)
        }
        let rest = devices.count - Self.devicesShown
        if rest > 0 { lines.append(StyledLine("  and \(rest) more", .faint)) }
        return lines
    }

    // MARK: - Decisions

    private static let decisionsShown = 5

    private var latest: [StyledLine] {
        let decisions = (info.decisions ?? []).suffix(Self.decisionsShown)
        guard !decisions.isEmpty else { return [] }
        return [StyledLine("Latest", .strong)]
            + decisions.reversed().map { decision in
                var line = StyledLine("  \(Elapsed.clock(decision.time, now: now))  ", .faint)
                line.add(decision.action + "  ", .busy)
                line.add(decision.reason)
                return line
            }
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int((min(value, 1e9) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
