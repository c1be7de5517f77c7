import ArgumentParser

struct Fleets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Name parts of all devices by their labels.",
        discussion: """
            Examples:
              martlet fleets
              martlet fleets set wards --selector 'site=berlin,tier!=lab'
            """,
        subcommands: [FleetsList.self, FleetsSet.self, FleetsDelete.self], defaultSubcommand: FleetsList.self)
}
