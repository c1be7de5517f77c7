import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List devices and what each slot serves.",
        discussion: """
            Examples:
              martlet devices list
              martlet devices list --selector 'site=berlin,tier!=lab' --output json
              martlet devices list --state pending
            """)
    @Option(help: "Only devices with these labels.", transform: LabelSelector.init) var selector: LabelSelector?
    @Option(help: "Only devices in this state (default: all but revoked).") var state: DeviceInfo.Standing?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let query = ["selector": selector?.text, "state": state?.rawValue].compactMapValues(\.self)
        let devices = try await options.session().list(OperatorRoutes.devices, of: DeviceInfo.self, query: query)
        try options.printer.show(devices) { devices in
            var table = Table(heads: ["device", "online", "slot", "serves", "desired", "state", "labels"])
            for device in devices {
                let labels = Self.text(device.labels)
                var online = device.standing == .active ? (device.online ? "yes" : "no") : device.standing.rawValue
                if device.hold != nil { online += ", out of rollouts" }
                if device.slots.isEmpty { table.rows.append([device.device.text, online, "-", "-", "-", "-", labels]) }
                for (name, slot) in device.slots.sorted(by: { $0.key < $1.key }) {
                    table.rows.append([
                        device.device.text, online, name.text, slot.serving ? references(slot.current) : "-",
                        references(slot.desired),
                        [device.pins?[name].map { _ in "pinned" }, slot.state?.rawValue, slot.code]
                            .compactMap(\.self).joined(separator: ": "),
                        labels,
                    ])
                }
            }
            table.whenEmpty =
                query.isEmpty
                ? "no device has joined yet; make a join token with `martlet token join`" : "no device is like that"
            return table
        }
    }

    static func text(_ labels: Labels) -> String {
        labels.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }
}

/// Releases as people write them, joined by `+`; `-` for none.
func references(_ releases: [ReleasePath]) -> String {
    releases.isEmpty ? "-" : releases.map(\.reference).joined(separator: " + ")
}
