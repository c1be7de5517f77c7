import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesHold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Keep a device out of rollouts; it serves on, and can be rolled back.",
        discussion: """
            Examples:
              martlet devices hold pi-1 --reason "on a demonstration tour" --valid 7d
              martlet devices release pi-1
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var exemption: ExemptionArguments
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().send(
            OperatorRoutes.holdDevice, ["device": device.text], body: exemption.request, as: DeviceInfo.self)
        try options.printer.say(info) {
            "Rollouts pass \(device) over\(ExemptionArguments.until($0.hold)): \(exemption.reason)"
        }
    }
}
