import ArgumentParser
import FoundationEssentials
import MartletAPI
import MartletTypes

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remember a registry and a token, after trying them.",
        discussion: """
            Example: martlet login https://registry.example --token-file admin.token
            The token may also come on standard input: martlet login URL --token-file /dev/stdin
            """)

    @Argument(help: "The registry's operator address.") var address: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var options = options
        options.server = address
        var stored = try ClientConfiguration.load(options.configurationPath)
        if stored.server != address { stored = .empty }
        let session = try options.session()
        let caller = try await session.get(OperatorRoutes.whoAmI, as: Caller.self)
        stored.server = session.server
        stored.token = session.token
        stored.authority = session.authority
        try stored.save(options.configurationPath)
        try options.printer.say(caller) { "Logged in to \(address) as \($0.name) (\($0.role.rawValue))." }
    }
}
