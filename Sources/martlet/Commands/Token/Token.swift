import ArgumentParser
import MartletAPI
import MartletTypes

struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make and revoke tokens for operators, and join tokens for devices.",
        discussion: "Example: martlet token join --uses 3 --valid 1h",
        subcommands: [TokenList.self, TokenCreate.self, TokenRevoke.self, TokenJoin.self],
        defaultSubcommand: TokenList.self)
}

struct TokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List operators' tokens.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let tokens = try await options.session().list(OperatorRoutes.tokens, of: TokenInfo.self)
        try options.printer.show(tokens) { tokens in
            var table = Table(heads: ["id", "name", "role", "namespace", "created", "expires"])
            table.rows = tokens.map {
                [
                    $0.id, $0.name, $0.role.rawValue, $0.namespace ?? "all", $0.created.description,
                    $0.expires?.description ?? "never",
                ]
            }
            return table
        }
    }
}

struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token; its secret is printed this once.",
        discussion: "Example: martlet token create ci --role publisher --namespace clinic --valid 90d")
    @Argument(help: "Whose token it is.") var name: String
    @Option(help: "viewer, publisher, operator or admin.") var role: Role = .viewer
    @Option(help: "The only namespace that it may publish into.") var namespace: String?
    @Option(help: "How long it is good, e.g. 90d.") var valid: TimeSpan?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = TokenRequest(name: name, role: role, namespace: namespace, validSeconds: valid?.seconds)
        let token = try await options.session().send(
            OperatorRoutes.createToken, body: request, as: TokenInfo.self)
        try options.printer.say(token) { $0.secret ?? "" }
    }
}

struct TokenRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "revoke", abstract: "End a token at once.")
    @Argument(help: "The token's id, from `martlet token list`.") var id: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteToken, ["token": id])
        try options.printer.say(["revoked": id]) { _ in "Token \(id) is revoked." }
    }
}

struct TokenJoin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Make a join token: the one string that a new device needs.",
        discussion: """
            Example: martlet token join --uses 3 --valid 1h --label site=berlin > join.token
            Then on the device: martlet-agent enrol --join-file join.token
            """)
    @Option(help: "Devices that it may enrol.") var uses = 1
    @Option(help: "How long it is good, e.g. 1h.") var valid = TimeSpan(seconds: 3600)
    @Option(help: "A label KEY=VALUE that those devices get.") var label: [String] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = JoinTokenRequest(
            uses: uses, validSeconds: valid.seconds, labels: try labels(from: label))
        let token = try await options.session().send(
            OperatorRoutes.createJoinToken, body: request, as: JoinTokenInfo.self)
        try options.printer.say(token) { $0.token ?? "" }
    }
}
