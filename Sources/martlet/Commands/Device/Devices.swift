import ArgumentParser
import MartletAPI
import MartletTypes

struct Devices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See devices: what they are, what they run, what happened on them.",
        discussion: "Example: martlet devices show pi-1",
        subcommands: [DevicesList.self, DevicesShow.self, DevicesHistory.self, DevicesLabel.self, DevicesRemove.self],
        defaultSubcommand: DevicesList.self)
}

struct DevicesList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List devices.",
        discussion: "Example: martlet devices list --selector site=berlin")
    @Option(help: "Only devices with these labels.", transform: LabelSelector.init) var selector: LabelSelector?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let query = selector.map { ["selector": $0.text] } ?? [:]
        let devices = try await options.session().list(OperatorRoutes.devices, of: DeviceInfo.self, query: query)
        try options.printer.show(devices) { devices in
            var table = Table(heads: ["device", "online", "slot", "serves", "desired", "state", "labels"])
            for device in devices {
                let labels = Self.text(device.labels)
                let online = device.online ? "yes" : "no"
                if device.slots.isEmpty { table.rows.append([device.device.text, online, "-", "-", "-", "-", labels]) }
                for (name, slot) in device.slots.sorted(by: { $0.key < $1.key }) {
                    table.rows.append([
                        device.device.text, online, name.text, slot.serving ? references(slot.current) : "-",
                        references(slot.desired),
                        [slot.state?.rawValue, slot.code].compactMap(\.self).joined(separator: ": "),
                        labels,
                    ])
                }
            }
            table.whenEmpty = "no device has joined yet; make a join token with `martlet token join`"
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

struct DevicesShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one device whole.")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().get(
            OperatorRoutes.device, ["device": device.text], as: DeviceInfo.self)
        try options.printer.show(info) { info in
            var pairs = [
                ("device", info.device.text), ("labels", DevicesList.text(info.labels)),
                ("online", info.online ? "yes" : "no"), ("enrolled", info.enrolled.description),
                ("last seen", info.lastSeen?.description ?? "never"),
                ("certificate until", info.certificateExpires.description), ("profile", info.profile ?? "-"),
                ("agent", info.agentVersion ?? "-"), ("assignment", String(info.assignment)),
            ]
            for (name, slot) in info.slots.sorted(by: { $0.key < $1.key }) {
                pairs.append(("\(name): serves", slot.serving ? references(slot.current) : "nothing"))
                pairs.append(("\(name): desired", references(slot.desired)))
                pairs.append(("\(name): previous", references(slot.previous)))
                if let state = slot.state { pairs.append(("\(name): state", state.rawValue)) }
                if let code = slot.code { pairs.append(("\(name): reason", "\(code): \(slot.message ?? "")")) }
                if let override = slot.override { pairs.append(("\(name): override", override)) }
                if let result = slot.evaluation {
                    pairs.append(("\(name): evaluation", "\(result.correct) of \(result.rows) right"))
                }
            }
            return .facts(pairs)
        }
    }
}

struct DevicesHistory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show what a device reported, newest first.")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "Rows to show.") var limit = 50
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let reports = try await options.session().list(
            OperatorRoutes.deviceHistory, ["device": device.text], of: DeviceReport.self, limit: limit)
        try options.printer.show(reports) { reports in
            var table = Table(heads: ["time", "slot", "release", "state", "code", "message"])
            table.rows = reports.map {
                [
                    $0.time.description, $0.slot?.text ?? "-", references($0.releases), $0.state?.rawValue ?? "-",
                    $0.code ?? "-", $0.message ?? "",
                ]
            }
            return table
        }
    }
}

struct DevicesLabel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label", abstract: "Set or remove labels.",
        discussion: "Example: martlet devices label pi-1 site=berlin tier-")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Argument(help: "KEY=VALUE sets, KEY- removes.") var changes: [String]
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let parameters = ["device": device.text]
        var values = try await session.get(OperatorRoutes.device, parameters, as: DeviceInfo.self).labels.values
        for key in changes where key.hasSuffix("-") && !key.contains("=") {
            values[String(key.dropLast())] = nil
        }
        let set = changes.filter { $0.contains("=") || !$0.hasSuffix("-") }
        values.merge(try labels(from: set).values) { $1 }
        let info = try await session.send(
            OperatorRoutes.patchDevice, parameters, body: DevicePatch(labels: try Labels(values)), as: DeviceInfo.self)
        try options.printer.say(info) { "\($0.device): \(DevicesList.text($0.labels))" }
    }
}

struct DevicesRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Revoke a device's certificate and forget it. It goes on serving what it has.")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteDevice, ["device": device.text])
        try options.printer.say(["removed": device.text]) { _ in "Device \(device) is revoked." }
    }
}
