package import MartletAPI
package import MartletTypes

/// One rollout in lines for people: how it stands and what to do first, what needs a look next, the rest counted.
package struct RolloutText: Sendable {
    private let info: RolloutInfo
    private let now: Timestamp
    private let tellsAll: Bool

    /// With `all` every device and decision is told, else those that matter most.
    package init(_ info: RolloutInfo, now: Timestamp, all tellsAll: Bool = false) {
        self.info = info
        self.now = now
        self.tellsAll = tellsAll
    }

    /// Devices, and decisions, of one kind that are told unless all are.
    private static let shown = 15

    package var lines: [String] {
        head + waves + section("Gates", (info.gates ?? []).map { GateLine($0).line.text })
            + section("Proved on devices, by profile", (info.proofs ?? []).map { ProofLine($0).text }) + devices
            + section("Decisions, newest first", (info.decisions ?? []).reversed().map(line))
    }

    private var head: [String] {
        let number = min(info.wave + 1, info.waves)
        let wave = info.waves > 1 && !info.state.isFinal ? ", wave \(number) of \(info.waves)" : ""
        var lines = [
            "Rollout \(info.id)  \(RolloutWords.aim(info))",
            "\(RolloutWords.state(info))\(wave): \(StateCounts.text(info.counts))",
        ]
        // Why it runs is said below, by who started it and when.
        if !info.reason.isEmpty, info.reason != "started by \(info.createdBy)" { lines.append(info.reason) }
        let pace = RolloutPace(info, now: now)
        if let end = pace.end {
            lines.append("Ends in about \(Elapsed.text(end - now)), at \(Elapsed.clock(end, now: now)).")
        }
        lines.append(
            "Started by \(info.createdBy) at \(RolloutWords.moment(info.created)), "
                + "\(Elapsed.text(now - info.created)) ago.")
        return lines + (NextStep.of(info).map { ["Next: " + $0] } ?? [])
    }

    private func section(_ title: String, _ items: [String]) -> [String] {
        guard !items.isEmpty else { return [] }
        let shown = tellsAll ? items.count : min(items.count, Self.shown)
        let rest = items.count - shown
        return ["", title] + items.prefix(shown) + (rest > 0 ? ["  and \(rest) more; --all shows them"] : [])
    }

    // MARK: - Waves

    private var waves: [String] {
        let progress = info.progress ?? []
        guard !progress.isEmpty else { return [] }
        return ["", "Waves"]
            + progress.enumerated().map { index, wave in
                let isNow = index == info.wave && !info.state.isFinal
                var after: [String] = []
                if index < progress.count - 1 {
                    if wave.soakSeconds > 0 { after.append("soaks \(Elapsed.text(.seconds(wave.soakSeconds)))") }
                    if wave.confirm { after.append("a person confirms") }
                }
                let then = after.isEmpty ? "" : "; then " + after.joined(separator: ", ")
                return "\(isNow ? "▸ " : "  ")wave \(index + 1)  \(state(of: index))  "
                    + StateCounts.text(wave.counts) + then
            }
    }

    private func state(of wave: Int) -> String {
        if wave < info.wave { return "done" }
        if wave > info.wave || info.state.isFinal { return "not begun" }
        return info.state == .running
            ? info.phase.map(RolloutWords.phase) ?? info.state.rawValue : RolloutWords.state(info)
    }

    // MARK: - Devices

    private var devices: [String] {
        let all = info.devices ?? []
        guard !tellsAll else { return section("Devices (\(all.count))", all.map(line)) }
        let look = all.filter(needsLook)
            .sorted { (rank($0), $0.updated, $0.device) < (rank($1), $1.updated, $1.device) }
        let atWork = all.filter(\.state.isInFlight).sorted { ($0.updated, $0.device) < ($1.updated, $1.device) }
        let left = info.devicesLeft.map { ["", "\(RolloutWords.count($0, "more device")); --all shows them"] } ?? []
        return section("Need a look (\(look.count))", look.map(line))
            + section("At work (\(atWork.count)), those for longest first", atWork.map(line)) + left
    }

    private func needsLook(_ device: RolloutInfo.Device) -> Bool {
        switch device.state {
        case .failed, .unreachable, .skipped: true
        case .rolledBack: device.code != nil
        case .pending, .offered, .downloading, .verifying, .probing, .switching, .soaking, .succeeded, .superseded:
            false
        }
    }

    private func rank(_ device: RolloutInfo.Device) -> Int {
        let order: [DeviceRolloutState] = [.failed, .rolledBack, .unreachable, .skipped]
        return order.firstIndex(of: device.state) ?? order.count
    }

    private func line(_ device: RolloutInfo.Device) -> String {
        let tries = device.attempts.map { $0 > 0 ? ", attempt \($0 + 1)" : "" } ?? ""
        return "  \(device.device)  wave \(device.wave + 1)  \(RolloutWords.state(device.state)) for "
            + Elapsed.text(now - device.updated) + tries + (RolloutWords.why(device).map { "  " + $0 } ?? "")
    }

    private func line(_ decision: RolloutInfo.Decision) -> String {
        "  \(Elapsed.clock(decision.time, now: now))  \(decision.action)  \(decision.reason)"
    }
}
