import ArgumentParser
import RegistryClient

struct TrustWithdraw: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "withdraw", abstract: "Forget a change that waits for signatures.",
        discussion: "Example: martlet trust withdraw p-4f20")

    @Argument(help: "Its identifier.") var change: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().registry.deleteProposal(change)
        try options.printer.say(["withdrawn": change]) { _ in "\(change) is withdrawn." }
    }
}
