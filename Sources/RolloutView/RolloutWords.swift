package import MartletAPI
package import MartletTypes

/// Words for a rollout, the same wherever it is shown.
package enum RolloutWords {
    /// `1 device`, `5 devices`.
    package static func count(_ number: Int, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }

    /// A moment in UTC to the second: `2026-11-20 12:00:00Z`.
    package static func moment(_ time: Timestamp) -> String {
        Timestamp(seconds: time.seconds).description.replacing("T", with: " ")
    }

    /// What a device's part is, in words.
    package static func state(_ state: DeviceRolloutState) -> String {
        state == .rolledBack ? "rolled back" : state.rawValue
    }

    /// How a rollout stands; that it waits for a person too.
    package static func state(_ info: RolloutInfo) -> String {
        switch info.state {
        case .rollingBack: "rolling back"
        case .rolledBack: "rolled back"
        case .running where info.phase == confirming: "waits for a person"
        default: info.state.rawValue
        }
    }

    /// The same behind its name: `is paused`, `waits for a person`.
    package static func stands(_ info: RolloutInfo) -> String {
        let waits = info.state == .running && info.phase == confirming
        return (waits ? "" : "is ") + state(info)
    }

    /// What goes where: `clinic/triage:2.0.0 → slot triage of fleet wards`.
    static func aim(_ info: RolloutInfo) -> String {
        let releases = info.releases.map(\.reference).joined(separator: " + ")
        let whom = info.fleet.map { "fleet \($0)" } ?? (info.selector.text.isEmpty ? "all devices" : info.selector.text)
        return "\(releases) → slot \(info.slot) of \(whom)"
    }

    /// The phase in which the next wave waits for a person.
    static let confirming = "confirming"

    /// What the wave at work does.
    static func phase(_ phase: String) -> String {
        switch phase {
        case "moving": "devices at work"
        case "soaking": "soaking"
        case "measuring": "waiting for measurements"
        case confirming: "waiting for a person"
        default: phase
        }
    }

    /// Why a slot was to run something; nil where that says no more than which rollout it was.
    package static func reason(of move: DeviceMove) -> String? {
        move.reason.isEmpty || move.reason == move.rollout.map { "rollout \($0)" } ? nil : move.reason
    }

    /// `evaluationFailed: 0.83 of 0.90`; nil where a device says neither.
    static func why(_ device: RolloutInfo.Device) -> String? {
        let figures = device.evaluation.map { "\($0.correct) of \($0.rows) right" }
        let parts = [device.code, device.message ?? figures].compactMap(\.self)
        return parts.isEmpty ? nil : parts.joined(separator: ": ")
    }
}

/// What a person can do next about a rollout, as commands to copy.
package enum NextStep {
    /// For a rollout that waits for a person; nil for any other.
    static func forWaiting(_ info: RolloutInfo) -> String? {
        let waits = info.state == .paused || (info.state == .running && info.phase == RolloutWords.confirming)
        return waits ? of(info) : nil
    }

    /// Nil where nothing is left to do.
    package static func of(_ info: RolloutInfo) -> String? {
        if info.state == .running, info.phase == RolloutWords.confirming {
            return "`martlet rollout confirm \(info.id)` lets the next wave start; "
                + "`martlet rollout abort \(info.id)` ends it here."
        }
        let rest = info.counts["failed", default: 0] + info.counts["unreachable", default: 0]
        guard info.state == .completed, rest > 0 else { return of(info.id, info.state) }
        return "`martlet rollout retry \(info.id)` tries the \(RolloutWords.count(rest, "device")) again that did not "
            + "succeed."
    }

    /// By the state alone.
    static func of(_ id: RolloutID, _ state: RolloutState) -> String? {
        switch state {
        case .completed: nil
        case .draft, .running:
            "`martlet rollout watch \(id)` follows it; `martlet rollout pause \(id)` starts no further device."
        case .rollingBack: "`martlet rollout watch \(id)` follows its devices back."
        case .paused:
            "`martlet rollout resume \(id)` goes on as it is, `retry` tries failed devices again, `rollback` takes "
                + "every device back, `abort` ends it here."
        case .aborted: "Devices keep what they have; `martlet rollout rollback \(id)` takes them back."
        case .rolledBack: "Mend what it names, publish it as a new version, and start a new rollout."
        }
    }

    /// For one device of a rollout; nil where it goes on by itself.
    static func of(_ part: RolloutExplanation.Part, _ device: DeviceID, in id: RolloutID) -> String? {
        if part.hold != nil { return "`martlet devices release \(device)` lets rollouts take it again." }
        if part.pin != nil, let slot = part.moves.first?.slot {
            return "`martlet devices unpin \(device) \(slot)` lets rollouts move it again."
        }
        switch part.device?.state {
        case .failed:
            return "`martlet devices reports \(device)` shows each step; "
                + "`martlet rollout retry \(id) \(device)` tries it again."
        case .unreachable,
            .offered where !part.online:
            return "Look whether the box has power and network; it catches up by itself when it is back."
        default: return nil
        }
    }
}
