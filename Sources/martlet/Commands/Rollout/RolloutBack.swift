import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutBack: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "End a rollout and take back every device that it moved.",
        discussion: "Example: martlet rollout rollback r-4f1c2a90")
    @Argument(help: "The rollout.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await rollout.change(.rollback, options) }
}
