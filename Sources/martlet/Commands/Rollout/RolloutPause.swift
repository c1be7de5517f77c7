import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct RolloutPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Offer the release to no further device; those at work finish.",
        discussion: "Example: martlet rollout pause r-4f1c2a90 --reason \"calls from ward 3\"")
    @OptionGroup var steering: SteeringArguments
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await steering.change(.pause, options) }
}

/// Which rollout is steered, and why.
struct SteeringArguments: ParsableArguments {
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @Option(help: "Why; stands with the decision and in the audit log.") var reason = ""

    /// Does something to an open rollout and prints how it stands then.
    func change(_ action: RolloutAction, devices: [DeviceID] = [], _ options: GlobalOptions) async throws {
        let parameters = ["rollout": rollout.text, "action": action.rawValue]
        let change = RolloutChange(reason: reason, devices: devices)
        let info = try await options.session().send(
            OperatorRoutes.changeRollout, parameters, body: change, as: RolloutInfo.self)
        try options.printer.say(info) { "Rollout \($0.id) \(RolloutWords.stands($0)): \($0.reason)" }
    }
}
