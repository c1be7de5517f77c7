import MartletAPI
import MartletTypes

/// Follows a rollout on the terminal until it ends or stops.
struct RolloutWatcher {
    let session: Session
    let printer: Output

    /// Returns when the rollout completed; throws `waitFailed` when it paused, was rolled back or aborted.
    func watch(_ id: RolloutID) async throws {
        var seenDecisions = 0
        var seenStates: [DeviceID: DeviceRolloutState] = [:]
        while true {
            let info = try await session.get(OperatorRoutes.rollout, ["rollout": id.text], as: RolloutInfo.self)
            for decision in (info.decisions ?? []).dropFirst(seenDecisions) {
                printer.note("\(decision.action): \(decision.reason)")
            }
            seenDecisions = info.decisions?.count ?? seenDecisions
            for device in info.devices ?? [] where seenStates[device.device] != device.state {
                seenStates[device.device] = device.state
                let why = [device.code, device.message].compactMap(\.self).joined(separator: ": ")
                let accuracy = device.evaluation.map { " (\($0.correct) of \($0.rows) right)" } ?? ""
                printer.note("  \(device.device): \(device.state.rawValue)\(why.isEmpty ? "" : " — \(why)")\(accuracy)")
            }
            if info.state == .completed {
                try printer.say(info) { "Rollout \($0.id) completed: \(Self.counts($0)). \($0.reason)" }
                return
            }
            if info.state.isFinal || info.state == .paused {
                try printer.say(info) { "Rollout \($0.id) is \($0.state.rawValue): \($0.reason)" }
                throw CommandError(
                    "waitFailed", "Rollout \(id) did not complete.", remedy: "See `martlet rollout show \(id)`.",
                    fault: .peer)
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Devices by state, e.g. `2 succeeded, 1 failed`.
    static func counts(_ info: RolloutInfo) -> String {
        let parts = DeviceRolloutState.allCases.compactMap { state in
            info.counts[state.rawValue].flatMap { $0 > 0 ? "\($0) \(state.rawValue)" : nil }
        }
        return parts.isEmpty ? "no devices" : parts.joined(separator: ", ")
    }
}
