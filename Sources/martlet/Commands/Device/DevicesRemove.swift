import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Revoke a device's certificate and forget it. It goes on serving what it has.",
        discussion: "Example: martlet devices remove pi-1")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteDevice, ["device": device.text])
        try options.printer.say(["removed": device.text]) { _ in "Device \(device) is revoked." }
    }
}
