import MartletTypes

/// The states of devices as a bar shows them, in its order.
enum StateGroup: CaseIterable {
    case succeeded, failed, passedOver, atWork, pending

    static func of(_ state: DeviceRolloutState) -> StateGroup {
        switch state {
        case .succeeded: .succeeded
        case .failed: .failed
        case .rolledBack, .skipped, .unreachable, .superseded: .passedOver
        case .pending: .pending
        case .offered, .downloading, .verifying, .probing, .switching, .soaking: .atWork
        }
    }

    var shade: Shade {
        switch self {
        case .succeeded: .good
        case .failed: .bad
        case .passedOver: .warning
        case .atWork: .busy
        case .pending: .faint
        }
    }

    /// Its cell in a bar; told apart without colours too.
    func cell(isUnicode: Bool) -> String {
        switch self {
        case .succeeded: isUnicode ? "█" : "#"
        case .failed: isUnicode ? "✗" : "x"
        case .passedOver: isUnicode ? "░" : "~"
        case .atWork: isUnicode ? "▒" : "="
        case .pending: isUnicode ? "·" : "."
        }
    }

    /// Cells of a bar for each group: every group that has a device has a cell, where there are enough cells.
    static func cells(_ counts: [StateGroup: Int], width: Int) -> [(group: StateGroup, cells: Int)] {
        let groups = allCases.filter { counts[$0, default: 0] > 0 }
        let total = groups.reduce(0) { $0 + counts[$1, default: 0] }
        guard total > 0, width > 0 else { return [] }
        var shares = groups.map { (group: $0, cells: max(1, counts[$0, default: 0] * width / total)) }
        var used = shares.reduce(0) { $0 + $1.cells }
        // What rounding left over goes to, and what it took too much comes from, the largest.
        while used != width, let largest = shares.indices.max(by: { shares[$0].cells < shares[$1].cells }) {
            shares[largest].cells += used < width ? 1 : -1
            used += used < width ? 1 : -1
        }
        return shares.filter { $0.cells > 0 }
    }
}

/// Counts of states by name, as the registry gives them.
package enum StateCounts {
    static func groups(_ counts: [String: Int]) -> [StateGroup: Int] {
        counts.reduce(into: [:]) { groups, entry in
            // A state that a newer registry has is at work: it is not over.
            let group = DeviceRolloutState(rawValue: entry.key).map(StateGroup.of) ?? .atWork
            groups[group, default: 0] += max(0, entry.value)
        }
    }

    /// `12 succeeded, 3 failed, 4 downloading`.
    package static func text(_ counts: [String: Int]) -> String {
        let known = DeviceRolloutState.allCases.map(\.rawValue)
        let first = ["succeeded", "failed"]
        let order = first + known.filter { !first.contains($0) } + counts.keys.filter { !known.contains($0) }.sorted()
        let parts = order.compactMap { name in
            counts[name].flatMap { $0 > 0 ? "\($0) \(words(name))" : nil }
        }
        return parts.isEmpty ? "no devices" : parts.joined(separator: ", ")
    }

    private static func words(_ state: String) -> String {
        DeviceRolloutState(rawValue: state).map(RolloutWords.state) ?? state
    }
}
