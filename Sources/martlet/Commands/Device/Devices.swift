import ArgumentParser

struct Devices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See devices: what they are, what they run, what happened on them.",
        discussion: """
            Examples:
              martlet devices --selector site=berlin
              martlet devices show pi-1
              martlet devices approve pi-2
            """,
        subcommands: [
            DevicesList.self, DevicesShow.self, DevicesExplain.self, DevicesHistory.self, DevicesReports.self,
            DevicesLabel.self, DevicesPin.self, DevicesUnpin.self, DevicesHold.self, DevicesRelease.self,
            DevicesApprove.self,
            DevicesReject.self, DevicesReplace.self, DevicesRevoke.self, DevicesRemove.self,
        ],
        defaultSubcommand: DevicesList.self)
}
