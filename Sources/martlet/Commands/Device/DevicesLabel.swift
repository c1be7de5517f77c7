import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesLabel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label", abstract: "Set or remove labels.",
        discussion: "Example: martlet devices label pi-1 site=berlin tier-")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Argument(help: "KEY=VALUE sets, KEY- removes.") var changes: [String]
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let removed = changes.filter { $0.hasSuffix("-") && !$0.contains("=") }.map { String($0.dropLast()) }
        let set = try labels(from: changes.filter { $0.contains("=") || !$0.hasSuffix("-") })
        let session = try options.session()
        let parameters = ["device": device.text]
        var values = try await session.get(OperatorRoutes.device, parameters, as: DeviceInfo.self).labels.values
        for key in removed { values[key] = nil }
        values.merge(set.values) { $1 }
        let info = try await session.send(
            OperatorRoutes.patchDevice, parameters, body: DevicePatch(labels: try Labels(values)), as: DeviceInfo.self)
        try options.printer.say(info) { info in
            info.labels.values.isEmpty
                ? "\(info.device) has no labels." : "\(info.device): \(DevicesList.text(info.labels))"
        }
    }
}
