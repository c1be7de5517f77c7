import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a paused rollout.",
        discussion: "Example: martlet rollout resume r-4f1c2a90")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await rollout.change(.resume, options) }
}
