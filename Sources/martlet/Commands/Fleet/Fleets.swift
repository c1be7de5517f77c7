import ArgumentParser
import MartletAPI
import MartletTypes

struct Fleets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Name parts of all devices by their labels.",
        discussion: "Example: martlet fleets set wards --selector 'site=berlin,tier!=lab'",
        subcommands: [FleetsList.self, FleetsSet.self, FleetsDelete.self], defaultSubcommand: FleetsList.self)
}

struct FleetsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List fleets with their sizes.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let fleets = try await options.session().list(OperatorRoutes.fleets, of: Fleet.self)
        try options.printer.show(fleets) { fleets in
            var table = Table(heads: ["fleet", "devices", "online", "selector"])
            table.rows = fleets.map {
                [$0.name.text, String($0.devices ?? 0), String($0.online ?? 0), $0.selector.text]
            }
            return table
        }
    }
}

struct FleetsSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Create a fleet, or change its selector.",
        discussion: "Example: martlet fleets set all --selector ''")
    @Argument(help: "The fleet's name.", transform: FleetName.init) var name: FleetName
    @Option(help: "Labels that its devices have; empty selects all.", transform: LabelSelector.init) var selector:
        LabelSelector
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let fleet = try await options.session().send(
            OperatorRoutes.putFleet, ["fleet": name.text], body: Fleet(name: name, selector: selector), as: Fleet.self)
        try options.printer.say(fleet) { "Fleet \($0.name) selects \($0.devices ?? 0) devices." }
    }
}

struct FleetsDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Forget a fleet; its devices stay as they are.")
    @Argument(help: "The fleet's name.", transform: FleetName.init) var name: FleetName
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteFleet, ["fleet": name.text])
        try options.printer.say(["deleted": name.text]) { _ in "Fleet \(name) is gone." }
    }
}
