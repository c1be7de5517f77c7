import ArgumentParser
import MartletAPI
import MartletTypes

struct TokenJoins: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "joins", abstract: "List join tokens that are still good, without their secrets.",
        discussion: "Example: martlet token joins")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let tokens = try await options.session().list(OperatorRoutes.joinTokens, of: JoinTokenInfo.self)
        try options.printer.show(tokens) { tokens in
            var table = Table(heads: ["id", "uses left", "for", "approval", "created", "expires", "labels"])
            table.rows = tokens.map {
                [
                    $0.id, String($0.usesLeft), $0.device?.text ?? "any", $0.needsApproval ? "needed" : "no",
                    $0.created.description, $0.expires.description,
                    DevicesList.text($0.labels),
                ]
            }
            table.whenEmpty = "no join token is good any more; make one with `martlet token join`"
            return table
        }
    }
}
