import ArgumentParser
import MartletAPI

struct WebhooksDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Forget a webhook with all that waits for it.",
        discussion: "Example: martlet webhooks delete w-0c55157adaa00277")
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.session().send(OperatorRoutes.deleteWebhook, ["webhook": id])
        try options.printer.say(["deleted": id]) { _ in "Webhook \(id) is deleted." }
    }
}
