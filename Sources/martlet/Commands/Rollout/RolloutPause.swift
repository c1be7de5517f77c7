import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Offer the release to no further device; those at work finish.",
        discussion: "Example: martlet rollout pause r-4f1c2a90")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await rollout.change(.pause, options) }
}

extension RolloutID {
    /// Does something to an open rollout and prints how it stands then.
    func change(_ action: RolloutAction, _ options: GlobalOptions) async throws {
        let parameters = ["rollout": text, "action": action.rawValue]
        let info = try await options.session().send(
            OperatorRoutes.changeRollout, parameters, body: [String: String](), as: RolloutInfo.self)
        try options.printer.say(info) { "Rollout \($0.id) is \($0.state.rawValue): \($0.reason)" }
    }
}
