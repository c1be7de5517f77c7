import ArgumentParser
import MartletAPI

struct RolloutConfirm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "confirm", abstract: "Let the next wave begin where the policy waits for a person.",
        discussion: "Example: martlet rollout confirm r-4f1c2a90 --reason \"ward 1 is happy\"")
    @OptionGroup var steering: SteeringArguments
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await steering.change(.confirm, options) }
}
