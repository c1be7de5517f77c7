import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesReplace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Make a join token by which another box takes a device's place.",
        discussion: """
            The new box keeps name, labels, slots and history; it has a new key, and the former box's certificate is \
            refused from the moment it enrols. The way back too for a device that is held or was revoked.

            Example:
              martlet devices replace pi-1 > pi-1.join
            Then on the new box:
              martlet-agent enrol --join-file pi-1.join --name pi-1
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "How long the token is good, e.g. 15m or 7d (default: 1h).", transform: TimeSpan.init)
    var valid = TimeSpan(seconds: 3600)
    @Flag(
        inversion: .prefixedNo,
        help: "Whether the new box gets nothing before `martlet devices approve` (default: as the registry is set).")
    var approval: Bool?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = JoinTokenRequest(validSeconds: valid.seconds, device: device, needsApproval: approval)
        let token = try await options.session().send(
            OperatorRoutes.createJoinToken, body: request, as: JoinTokenInfo.self)
        try options.printer.say(token) { $0.token ?? "" }
    }
}
