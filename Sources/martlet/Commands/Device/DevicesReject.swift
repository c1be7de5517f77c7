import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesReject: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reject", abstract: "Turn a device that waits away.",
        discussion: """
            Its certificate is refused; its name stays with it until `martlet devices remove`.

            Example: martlet devices reject pi-1 --reason "not ours"
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "Why, for the audit log.") var reason = ""
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().send(
            OperatorRoutes.rejectDevice, ["device": device.text], body: DeviceDecision(reason: reason),
            as: DeviceInfo.self)
        try options.printer.say(info) { "Device \($0.device) is rejected." }
    }
}
