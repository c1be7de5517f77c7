import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesRelease: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "Let a device that is held out take part in rollouts again.",
        discussion: "Example: martlet devices release pi-1")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.releaseDevice, ["device": device.text])
        try options.printer.say(["device": device.text]) { _ in "Device \(device) takes part in rollouts again." }
    }
}
