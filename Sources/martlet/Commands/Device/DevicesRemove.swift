import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Forget a device with its history. It goes on serving what it has.",
        discussion: """
            Its certificate is refused and its name is free again. `martlet devices revoke` keeps name and history.

            Example: martlet devices remove pi-1
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteDevice, ["device": device.text])
        try options.printer.say(["removed": device.text]) { _ in "Device \(device) is removed." }
    }
}
