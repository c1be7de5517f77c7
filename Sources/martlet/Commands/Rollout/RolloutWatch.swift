import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follow a rollout to its end; exit 1 if it stops before completion.",
        discussion: "Example: martlet rollout watch r-4f1c2a90")
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await RolloutWatcher(session: try options.session(), printer: options.printer).watch(rollout)
    }
}
