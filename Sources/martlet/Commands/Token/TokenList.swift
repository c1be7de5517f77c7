import ArgumentParser
import MartletAPI
import MartletTypes

struct TokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List operators' tokens.",
        discussion: "Example: martlet token list --output json")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let tokens = try await options.session().list(OperatorRoutes.tokens, of: TokenInfo.self)
        let now = systemClock()
        try options.printer.show(tokens) { tokens in
            var table = Table(heads: ["id", "name", "role", "namespaces", "fleets", "created", "expires"])
            table.rows = tokens.map {
                let end = $0.expires.map { $0 <= now ? "expired \($0)" : $0.description }
                return [
                    $0.id, $0.name, $0.role.rawValue, $0.namespaces?.joined(separator: ",") ?? "all",
                    $0.fleets?.map(\.text).joined(separator: ",") ?? "all", $0.created.description, end ?? "never",
                ]
            }
            return table
        }
    }
}
