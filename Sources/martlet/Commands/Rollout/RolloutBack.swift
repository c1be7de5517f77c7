import ArgumentParser
import MartletAPI

struct RolloutBack: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "End a rollout and take back every device that it moved.",
        discussion: "Example: martlet rollout rollback r-4f1c2a90")
    @OptionGroup var steering: SteeringArguments
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await steering.change(.rollback, options) }
}
