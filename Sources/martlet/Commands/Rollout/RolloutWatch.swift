import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutWatch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follow a rollout: waves, gates with their numbers, the estimated end.",
        discussion: """
            On a terminal the view is drawn in place; elsewhere each change is a line, with --output json a JSON \
            document a line.

            Exit code 0: it completed and moved a device. 1: it was aborted or rolled back, or moved none. \
            75: it waits for a person (paused, or a wave to confirm); --stay goes on watching then.

            Example: martlet rollout watch r-4f1c2a90
            """)
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @Flag(help: "Go on watching while it waits for a person.") var stay = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await RolloutWatcher(
            session: try options.session(), printer: options.printer, stays: stay, tellsItems: true
        ).watch(rollout)
    }
}
