import ArgumentParser
import MartletAPI

struct WebhooksDisable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Send nothing to a webhook until it is enabled again.",
        discussion: "Example: martlet webhooks disable w-0c55157adaa00277")
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let webhook = try await options.session().send(
            OperatorRoutes.patchWebhook, ["webhook": id], body: WebhookPatch(enabled: false), as: WebhookInfo.self)
        try options.printer.say(webhook) { "Webhook \($0.id) is disabled." }
    }
}
