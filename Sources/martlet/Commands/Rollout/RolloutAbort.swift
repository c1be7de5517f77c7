import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutAbort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort", abstract: "End a rollout where it is; devices that it moved stay moved.",
        discussion: "Example: martlet rollout abort r-4f1c2a90")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await rollout.change(.abort, options) }
}
