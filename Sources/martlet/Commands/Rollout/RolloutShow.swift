import ArgumentParser
import MartletAPI
import MartletTypes
import RegistryClient
import RolloutView

struct RolloutShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a rollout: how it stands, what needs a look, what was decided and why.",
        discussion: """
            Of long lists the part that matters most is shown; --all and --output json have every device, and the newest
            500 decisions.

            Examples:
              martlet rollout show r-4f1c2a90
              martlet rollout show r-4f1c2a90 --all
            """)
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @Flag(help: "Show every device, and decisions back to the 500th.") var all = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        var info = try await session.get(OperatorRoutes.rollout, ["rollout": rollout.text], as: RolloutInfo.self)
        // The answer for a large one holds some of its devices.
        if info.devicesLeft != nil, all || options.printer.format == .json {
            info.devices = try await session.registry.rolloutDevices(rollout)
            info.devicesLeft = nil
        }
        try options.printer.say(info) {
            RolloutText($0, now: systemClock(), all: all).lines.joined(separator: "\n")
        }
    }
}
