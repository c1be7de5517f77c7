import ArgumentParser
import MartletAPI
import MartletTypes

struct TokenRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a token, or a join token, at once.",
        discussion: "Example: martlet token revoke t-0c55157adaa00277")
    @Argument(help: "Its id, from `martlet token list` or `martlet token joins`.") var id: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        // The registry names join tokens j-…, so that one verb does for both.
        let route = id.hasPrefix("j-") ? OperatorRoutes.deleteJoinToken : OperatorRoutes.deleteToken
        try await options.session().send(route, ["token": id])
        try options.printer.say(["revoked": id]) { _ in "Token \(id) is revoked." }
    }
}
