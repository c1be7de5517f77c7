import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct RolloutShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a rollout: how it stands, what needs a look, what was decided and why.",
        discussion: """
            Of long lists the part that matters most is shown; --all and --output json have every device and decision.

            Examples:
              martlet rollout show r-4f1c2a90
              martlet rollout show r-4f1c2a90 --all
            """)
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @Flag(help: "Show every device and every decision.") var all = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().get(
            OperatorRoutes.rollout, ["rollout": rollout.text], as: RolloutInfo.self)
        try options.printer.say(info) {
            RolloutText($0, now: systemClock(), all: all).lines.joined(separator: "\n")
        }
    }
}
