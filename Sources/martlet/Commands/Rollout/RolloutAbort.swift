import ArgumentParser
import MartletAPI

struct RolloutAbort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort", abstract: "End a rollout where it is; devices that it moved stay moved.",
        discussion: "Example: martlet rollout abort r-4f1c2a90")
    @OptionGroup var steering: SteeringArguments
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await steering.change(.abort, options) }
}
