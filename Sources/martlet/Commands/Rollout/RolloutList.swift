import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct RolloutList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List rollouts, newest first.",
        discussion: """
            `martlet rollout show` has the whole reason where a narrow terminal has not.

            Example: martlet rollout list --output json
            """)
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let rollouts = try await options.session().list(OperatorRoutes.rollouts, of: RolloutInfo.self)
        let now = systemClock()
        try options.printer.show(rollouts) { rollouts in
            var table = Table(heads: ["rollout", "state", "wave", "devices", "slot", "release", "started", "reason"])
            table.cutsLast = true
            table.rows = rollouts.map { rollout in
                [
                    rollout.id.text, RolloutWords.state(rollout),
                    "\(min(rollout.wave + 1, rollout.waves))/\(rollout.waves)", StateCounts.text(rollout.counts),
                    rollout.slot.text, references(rollout.releases), Elapsed.text(now - rollout.created) + " ago",
                    rollout.reason,
                ]
            }
            table.whenEmpty = "nothing was rolled out yet; see `martlet rollout start --help`"
            return table
        }
    }
}
