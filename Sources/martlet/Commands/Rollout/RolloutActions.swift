import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Offer the release to no further device; those at work finish.")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await change(rollout, .pause, options) }
}

struct RolloutResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Go on with a paused rollout.")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await change(rollout, .resume, options) }
}

struct RolloutAbort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort", abstract: "End a rollout where it is; devices that it moved stay moved.")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await change(rollout, .abort, options) }
}

struct RolloutBack: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "End a rollout and take back every device that it moved.")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await change(rollout, .rollback, options) }
}

private func change(_ rollout: RolloutID, _ action: RolloutAction, _ options: GlobalOptions) async throws {
    let parameters = ["rollout": rollout.text, "action": action.rawValue]
    let info = try await options.session().send(
        OperatorRoutes.changeRollout, parameters, body: [String: String](), as: RolloutInfo.self)
    try options.printer.say(info) { "Rollout \($0.id) is \($0.state.rawValue): \($0.reason)" }
}
