import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesApprove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Let a device that waits have its assignments.",
        discussion: """
            A device waits where the registry, or its join token, says so (`martlet token join --approval`).

            Example: martlet devices approve pi-1
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "Why, for the audit log.") var reason = ""
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().send(
            OperatorRoutes.approveDevice, ["device": device.text], body: DeviceDecision(reason: reason),
            as: DeviceInfo.self)
        try options.printer.say(info) { "Device \($0.device) is approved." }
    }
}
