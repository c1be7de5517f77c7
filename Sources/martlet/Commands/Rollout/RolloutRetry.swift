import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Try devices again whose part ended otherwise than in success.",
        discussion: """
            Examples:
              martlet rollout retry r-4f1c2a90
              martlet rollout retry r-4f1c2a90 pi-7 pi-9 --reason "disks are larger now"
            """)
    @OptionGroup var steering: SteeringArguments
    @Argument(help: "Only these devices (default: all that did not succeed).", transform: DeviceID.init)
    var devices: [DeviceID] = []
    @OptionGroup var options: GlobalOptions
    func run() async throws { try await steering.change(.retry, devices: devices, options) }
}
