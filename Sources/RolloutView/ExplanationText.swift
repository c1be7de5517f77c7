package import MartletAPI
package import MartletTypes

/// Why a rollout or a device is where it is, in lines for people: the answer first, what it rests on below.
package struct ExplanationText: Sendable {
    private let explanation: RolloutExplanation
    private let device: DeviceID?
    private let now: Timestamp

    /// With the device that was asked for.
    package init(_ explanation: RolloutExplanation, of device: DeviceID? = nil, now: Timestamp) {
        self.explanation = explanation
        self.device = device
        self.now = now
    }

    /// Items of one kind that are shown.
    private static let shown = 10

    package var lines: [String] {
        var lines = explanation.because
        if let next { lines.append("Next: " + next) }
        if let part = explanation.part { lines += self.lines(of: part) }
        lines += section("Gates", explanation.gates.map { GateLine($0).line.text })
        if explanation.part == nil { lines += section("Waiting or at work", explanation.waiting.map(line)) }
        lines += section("Decisions, newest first", explanation.decisions.map(line))
        return lines
    }

    private var next: String? {
        guard let part = explanation.part else { return NextStep.of(explanation.id, explanation.state) }
        return device.flatMap { NextStep.of(part, $0, in: explanation.id) }
    }

    private func section(_ title: String, _ items: [String]) -> [String] {
        guard !items.isEmpty else { return [] }
        let rest = items.count - Self.shown
        return ["", title] + items.prefix(Self.shown) + (rest > 0 ? ["  and \(rest) more"] : [])
    }

    private func lines(of part: RolloutExplanation.Part) -> [String] {
        var facts: [String] = []
        if let device = part.device { facts.append(line(device)) }
        let seen = part.lastSeen.map { "last heard of \(Elapsed.text(now - $0)) ago" } ?? "never heard of"
        facts.append("  " + (part.online ? "online" : "offline, \(seen)"))
        if let pin = part.pin { facts.append("  pinned" + words(pin)) }
        if let hold = part.hold { facts.append("  held out" + words(hold)) }
        if let report = part.lastReport {
            let why = [report.state?.rawValue, report.code, report.message].compactMap(\.self).joined(separator: ": ")
            facts.append("  last report \(Elapsed.clock(report.time, now: now)): \(why)")
        }
        return section("The device", facts) + section("What its slot was to run, newest first", part.moves.map(line))
    }

    private func words(_ exemption: Exemption) -> String {
        let until = exemption.expires.map { " until \(RolloutWords.moment($0))" } ?? ""
        return " by \(exemption.by)\(until): \(exemption.reason)"
    }

    private func line(_ device: RolloutInfo.Device) -> String {
        let since = Elapsed.text(now - device.updated)
        return "  \(device.device)  wave \(device.wave + 1)  \(RolloutWords.state(device.state)) for \(since)"
            + (RolloutWords.why(device).map { "  " + $0 } ?? "")
    }

    private func line(_ decision: RolloutInfo.Decision) -> String {
        "  \(Elapsed.clock(decision.time, now: now))  \(decision.action)  \(decision.reason)"
    }

    private func line(_ move: DeviceMove) -> String {
        let releases = move.releases.isEmpty ? "nothing" : move.releases.map(\.reference).joined(separator: " + ")
        let by = move.rollout.map { "\(move.actor), rollout \($0)" } ?? move.actor
        let why = RolloutWords.reason(of: move).map { ": " + $0 } ?? ""
        return "  \(Elapsed.clock(move.time, now: now))  \(releases)  by \(by)\(why)"
    }
}
