import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct RolloutShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a rollout: its devices, and each decision with its reason.",
        discussion: "Example: martlet rollout show r-4f1c2a90")
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().get(
            OperatorRoutes.rollout, ["rollout": rollout.text], as: RolloutInfo.self)
        try options.printer.show(info) { info in
            var table = Table(heads: ["what", "state", "detail"])
            table.rows = [["rollout \(info.id)", info.state.rawValue, info.reason]]
            for (index, wave) in (info.progress ?? []).enumerated() {
                table.rows.append(["wave \(index + 1)", Self.state(of: index, info), StateCounts.text(wave.counts)])
            }
            for gate in info.gates ?? [] {
                table.rows.append([
                    "gate \(gate.gate.metric.rawValue)", gate.result?.verdict ?? "-", GateLine(gate).line.text,
                ])
            }
            for device in info.devices ?? [] {
                let figures = device.evaluation.map(\.summary)
                let detail = [device.code, device.message, figures].compactMap(\.self).joined(separator: "; ")
                table.rows.append(["wave \(device.wave + 1)  \(device.device)", device.state.rawValue, detail])
            }
            for decision in info.decisions ?? [] {
                table.rows.append([decision.time.description, decision.action, decision.reason])
            }
            return table
        }
    }

    private static func state(of wave: Int, _ info: RolloutInfo) -> String {
        if wave != info.wave || info.state.isFinal { return wave < info.wave ? "done" : "-" }
        return info.phase ?? info.state.rawValue
    }
}
