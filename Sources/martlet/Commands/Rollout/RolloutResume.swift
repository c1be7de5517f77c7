import ArgumentParser
import MartletAPI

struct RolloutResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a paused rollout; accepts what has failed so far.",
        discussion: "Example: martlet rollout resume r-4f1c2a90")
    @OptionGroup var steering: SteeringArguments
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await steering.change(.resume, options) }
}
