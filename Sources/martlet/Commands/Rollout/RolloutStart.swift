import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutStart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Start a rollout.",
        discussion: """
            It takes over the slot of its devices from rollouts that are still open. With --wait the exit code says \
            how it ended, as that of `martlet rollout watch` does.

            Examples:
              martlet rollout start clinic/triage:2.0.0 --fleet all --slot triage --wait
              martlet rollout start clinic/triage:2.0.0 --policy wards.yaml
              martlet rollout start clinic/triage@stable --selector site=berlin \\
                --slot triage --wave 1 --wave 20% --soak 10m --on-failure rollbackAll
            """)
    @OptionGroup var arguments: RolloutArguments
    @Flag(help: "Watch it; exit 0 only when it completed and moved a device.") var wait = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let rollout = try await session.send(
            OperatorRoutes.startRollout, body: try await arguments.request(session), as: RolloutInfo.self)
        if wait {
            try await RolloutWatcher(session: session, printer: options.printer).watch(rollout.id)
        } else {
            try options.printer.say(rollout) {
                "Rollout \($0.id) started: \(Printable.count($0.waves, "wave")). "
                    + "Follow it with `martlet rollout watch \($0.id)`."
            }
        }
    }
}
