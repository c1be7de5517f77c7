package import MartletAPI
package import MartletTypes

/// What is new since the last look: one item a line, for people without a terminal and for programs.
package struct RolloutNews: Sendable {
    /// One thing that happened.
    package struct Item: Sendable, Hashable, Encodable {
        /// `decision`, `device`, `gate`, `wave` or `end`.
        package let kind: String
        package let rollout: RolloutID
        package var time: Timestamp?
        package var action: String?
        package var reason: String?
        package var device: DeviceID?
        /// A wave's number, from 1.
        package var wave: Int?
        package var state: String?
        package var code: String?
        package var message: String?
        package var counts: [String: Int]?
        package var gate: GateResult?

        fileprivate init(_ kind: String, _ rollout: RolloutID) {
            self.kind = kind
            self.rollout = rollout
        }

        /// As a line for people; nil for what a decision tells anyway.
        package var line: String? {
            switch kind {
            case "decision": return "\(action ?? ""): \(reason ?? "")"
            case "device":
                let why = [code, message].compactMap(\.self).joined(separator: ": ")
                return "  \(device?.text ?? ""): \(state ?? "")\(why.isEmpty ? "" : " — \(why)")"
            case "gate": return gate.map { "  gate \($0.gate.rawValue): \($0.sentence)" }
            default: return nil
            }
        }
    }

    private var seen: Set<RolloutInfo.Decision> = []
    private var states: [DeviceID: RolloutInfo.Device] = [:]
    private var gates: [Int: GateResult] = [:]
    private var wave: Int?

    package init() {}

    /// What changed since the last call; everything at the first.
    package mutating func take(_ info: RolloutInfo) -> [Item] {
        var items: [Item] = []
        for decision in info.decisions ?? [] where seen.insert(decision).inserted {
            var item = Item("decision", info.id)
            item.time = decision.time
            item.action = decision.action
            item.reason = decision.reason
            item.gate = decision.figures
            items.append(item)
        }
        if wave != info.wave, info.wave < info.waves {
            var item = Item("wave", info.id)
            item.wave = info.wave + 1
            item.counts = info.progress.flatMap { $0.indices.contains(info.wave) ? $0[info.wave].counts : nil }
            items.append(item)
        }
        wave = info.wave
        for device in info.devices ?? [] {
            let before = states[device.device]
            states[device.device] = device
            // A device that has not begun is no news, nor is the same state for another reason, but for a wait.
            guard before?.state != device.state || before?.code != device.code else { continue }
            guard before != nil || device.state != .pending else { continue }
            items.append(Self.item(device, info.id))
        }
        for (index, standing) in (info.gates ?? []).enumerated() where standing.result != gates[index] {
            gates[index] = standing.result
            guard let result = standing.result else { continue }
            var item = Item("gate", info.id)
            item.gate = result
            items.append(item)
        }
        return items
    }

    /// The last item of a rollout that is over or waits.
    package static func end(_ info: RolloutInfo) -> Item {
        var item = Item("end", info.id)
        item.state = info.state.rawValue
        item.reason = info.reason
        item.counts = info.counts
        return item
    }

    private static func item(_ device: RolloutInfo.Device, _ rollout: RolloutID) -> Item {
        var item = Item("device", rollout)
        item.time = device.updated
        item.device = device.device
        item.wave = device.wave + 1
        item.state = device.state.rawValue
        item.code = device.code
        let figures = device.evaluation.map { "\($0.correct) of \($0.rows) right" }
        let text = [device.message, figures].compactMap(\.self).joined(separator: "; ")
        item.message = text.isEmpty ? nil : text
        return item
    }
}
