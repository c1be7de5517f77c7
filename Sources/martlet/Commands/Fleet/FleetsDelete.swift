import ArgumentParser
import MartletAPI
import MartletTypes

struct FleetsDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Forget a fleet; its devices stay as they are.",
        discussion: "Example: martlet fleets delete wards")
    @Argument(help: "The fleet's name.", transform: FleetName.init) var name: FleetName
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteFleet, ["fleet": name.text])
        try options.printer.say(["deleted": name.text]) { _ in "Fleet \(name) is gone." }
    }
}
