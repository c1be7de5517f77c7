import ArgumentParser
import MartletAPI
import MartletTypes

struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token; its secret is printed this once.",
        discussion: """
            Examples:
              martlet token create ci --role publisher --namespace clinic --valid 30d
              martlet token create night-shift --role operator --fleet wards
              martlet token create wallboard > wallboard.token
            """)
    @Argument(help: "Whose token it is.") var name: String
    @Option(help: "What it may do: each role may do what those before it may.") var role: Role = .viewer
    @Option(help: "The only namespace whose releases it concerns; may be given several times.")
    var namespace: [String] = []
    @Option(
        help: "The only fleet whose devices it concerns; may be given several times.", transform: FleetName.init)
    var fleet: [FleetName] = []
    @Option(help: "How long it is good (default: 90d).", transform: TimeSpan.init)
    var valid = TimeSpan(seconds: 90 * 86_400)
    @Flag(help: "Good until it is revoked.") var noExpiry = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = TokenRequest(
            name: name, role: role, namespaces: namespace.isEmpty ? nil : namespace,
            fleets: fleet.isEmpty ? nil : fleet, validSeconds: noExpiry ? nil : valid.seconds)
        let token = try await options.session().send(
            OperatorRoutes.createToken, body: request, as: TokenInfo.self)
        try options.printer.say(token) { $0.secret ?? "" }
    }
}
