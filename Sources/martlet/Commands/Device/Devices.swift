import ArgumentParser

struct Devices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See devices: what they are, what they run, what happened on them.",
        discussion: """
            Examples:
              martlet devices --selector site=berlin
              martlet devices show pi-1
            """,
        subcommands: [DevicesList.self, DevicesShow.self, DevicesHistory.self, DevicesLabel.self, DevicesRemove.self],
        defaultSubcommand: DevicesList.self)
}
