import ArgumentParser
import MartletAPI
import MartletTypes

struct FleetsSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Create a fleet, or change its selector.",
        discussion: """
            Examples:
              martlet fleets set all --selector ''
              martlet fleets set wards --selector 'site=berlin,tier!=lab'
            """)
    @Argument(help: "The fleet's name.", transform: FleetName.init) var name: FleetName
    @Option(help: "Labels that its devices have; empty selects all.", transform: LabelSelector.init) var selector:
        LabelSelector
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let fleet = try await options.session().send(
            OperatorRoutes.putFleet, ["fleet": name.text], body: Fleet(name: name, selector: selector), as: Fleet.self)
        try options.printer.say(fleet) {
            "Fleet \($0.name) selects \(Printable.count($0.devices ?? 0, "device"))."
        }
    }
}
