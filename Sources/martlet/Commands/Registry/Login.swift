import ArgumentParser
import MartletAPI
import MartletTypes

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remember a registry and a token, after trying them.",
        discussion: """
            The token comes from --token-file, from $MARTLET_TOKEN, or from the terminal. It is kept in a file that \
            only you can read, and sent to this registry only.

            Examples:
              martlet login https://registry.example --token-file admin.token
              pass show martlet | martlet login https://registry.example \\
                --token-file /dev/stdin --ca-file registry.pem
            """)

    @Argument(help: "The registry's operator address.") var address: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var options = options
        options.server = address
        var stored = try ClientConfiguration.load(options.configurationPath)
        var session = try options.session()
        if session.token == nil {
            guard Terminal.isThere else {
                throw CommandError(
                    "tokenNeeded", "A token is needed, and there is no terminal to ask on.",
                    remedy: "Give --token-file FILE; an administrator makes tokens with `martlet token create`.")
            }
            options.token = String(decoding: try Terminal.ask("Token for \(session.server): "), as: UTF8.self)
            session = try options.session()
        }
        let caller = try await session.get(OperatorRoutes.whoAmI, as: Caller.self)
        if stored.server != session.server { stored = .empty }
        stored.server = session.server
        stored.token = session.token
        stored.authority = session.authority
        try stored.save(options.configurationPath)
        try options.printer.say(caller) { caller in
            let scope = caller.namespace.map { " of \($0)" } ?? ""
            let end = caller.expires.map { ", until \($0)" } ?? ""
            return "Logged in to \(session.server) as \(caller.name) (\(caller.role.rawValue)\(scope)\(end))."
        }
    }
}
