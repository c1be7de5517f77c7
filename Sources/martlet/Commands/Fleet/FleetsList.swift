import ArgumentParser
import MartletAPI
import MartletTypes

struct FleetsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List fleets with their sizes.",
        discussion: "Example: martlet fleets list --output json")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let fleets = try await options.session().list(OperatorRoutes.fleets, of: Fleet.self)
        try options.printer.show(fleets) { fleets in
            var table = Table(heads: ["fleet", "devices", "online", "selector"])
            table.rows = fleets.map {
                let selector = $0.selector.text.isEmpty ? "(all devices)" : $0.selector.text
                return [$0.name.text, String($0.devices ?? 0), String($0.online ?? 0), selector]
            }
            table.whenEmpty = "no fleet is named yet; see `martlet fleets set --help`"
            return table
        }
    }
}
