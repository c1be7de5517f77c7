import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct RolloutList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List rollouts, newest first.",
        discussion: "Example: martlet rollout list --output json")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let rollouts = try await options.session().list(OperatorRoutes.rollouts, of: RolloutInfo.self)
        try options.printer.show(rollouts) { rollouts in
            var table = Table(heads: ["rollout", "state", "wave", "devices", "slot", "release", "started", "reason"])
            table.rows = rollouts.map { rollout in
                [
                    rollout.id.text, rollout.state.rawValue, "\(min(rollout.wave + 1, rollout.waves))/\(rollout.waves)",
                    StateCounts.text(rollout.counts), rollout.slot.text, references(rollout.releases),
                    rollout.created.description, rollout.reason,
                ]
            }
            table.whenEmpty = "nothing was rolled out yet; see `martlet rollout start --help`"
            return table
        }
    }
}
