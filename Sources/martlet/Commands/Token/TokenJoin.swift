import ArgumentParser
import MartletAPI
import MartletTypes

struct TokenJoin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Make a join token: the one string that a new device needs.",
        discussion: """
            Example:
              martlet token join --uses 3 --valid 1h --label site=berlin > join.token
            Then on each device:
              martlet-agent enrol --join-file join.token --name pi-1
            """)
    @Option(help: "Devices that it may enrol (default: 1).", transform: Count.positive) var uses = 1
    @Option(help: "How long it is good, e.g. 15m or 7d (default: 1h).", transform: TimeSpan.init)
    var valid = TimeSpan(seconds: 3600)
    @Option(help: "A label KEY=VALUE that those devices get; may be given several times.") var label: [String] = []
    @Flag(
        inversion: .prefixedNo,
        help: "Whether what joins gets nothing before `martlet devices approve` (default: as the registry is set).")
    var approval: Bool?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = JoinTokenRequest(
            uses: uses, validSeconds: valid.seconds, labels: try labels(from: label), needsApproval: approval)
        let token = try await options.session().send(
            OperatorRoutes.createJoinToken, body: request, as: JoinTokenInfo.self)
        try options.printer.say(token) { $0.token ?? "" }
    }
}
