import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Refuse a device's certificates at once; its history stays.",
        discussion: """
            Its connections are cut. It goes on serving what it has, as no registry can reach it any more. A box that \
            takes its place needs `martlet devices replace`.

            Example: martlet devices revoke pi-1 --reason "stolen on 3 May"
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "Why, for the audit log.") var reason = ""
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().send(
            OperatorRoutes.revokeDevice, ["device": device.text], body: DeviceDecision(reason: reason),
            as: DeviceInfo.self)
        try options.printer.say(info) { "Device \($0.device) is revoked." }
    }
}
