import ArgumentParser
import MartletAPI
import MartletTypes
import RegistryClient
import RolloutView

struct RolloutExplain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say why a rollout, or one device in it, is where it is.",
        discussion: """
            Examples:
              martlet rollout explain r-4f1c2a90
              martlet rollout explain r-4f1c2a90 pi-7
            """)
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @Argument(help: "One device of it.", transform: DeviceID.init) var device: DeviceID?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let query = device.map { ["device": $0.text] } ?? [:]
        let explanation = try await options.session().registry.api.get(
            OperatorRoutes.explainRollout, ["rollout": rollout.text], query: query, as: RolloutExplanation.self)
        try options.printer.say(explanation) {
            ExplanationText($0, of: device, now: systemClock()).lines.joined(separator: "\n")
        }
    }
}
