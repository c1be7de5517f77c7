import ArgumentParser
import MartletAPI
import MartletTypes

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
            for device in info.devices ?? [] {
                let figures = device.evaluation.map { "\($0.correct) of \($0.rows) right" }
                let detail = [device.code, device.message, figures].compactMap(\.self).joined(separator: "; ")
                table.rows.append(["wave \(device.wave + 1)  \(device.device)", device.state.rawValue, detail])
            }
            for decision in info.decisions ?? [] {
                table.rows.append([decision.time.description, decision.action, decision.reason])
            }
            return table
        }
    }
}
