import ArgumentParser
import MartletAPI
import MartletTypes

struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token; its secret is printed this once.",
        discussion: """
            Examples:
              martlet token create ci --role publisher --namespace clinic --valid 90d
              martlet token create wallboard > wallboard.token
            """)
    @Argument(help: "Whose token it is.") var name: String
    @Option(help: "What it may do: each role may do what those before it may.") var role: Role = .viewer
    @Option(help: "The only namespace that it may publish into.") var namespace: String?
    @Option(help: "How long it is good, e.g. 90d; without it until it is revoked.", transform: TimeSpan.init)
    var valid: TimeSpan?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = TokenRequest(name: name, role: role, namespace: namespace, validSeconds: valid?.seconds)
        let token = try await options.session().send(
            OperatorRoutes.createToken, body: request, as: TokenInfo.self)
        try options.printer.say(token) { $0.secret ?? "" }
    }
}
