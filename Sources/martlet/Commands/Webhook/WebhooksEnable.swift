import ArgumentParser
import MartletAPI

struct WebhooksEnable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Send to a webhook again, beginning with what it has missed.",
        discussion: "Example: martlet webhooks enable w-0c55157adaa00277 --skip")
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @Flag(help: "Leave out what happened while it was disabled.") var skip = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let webhook = try await options.session().send(
            OperatorRoutes.patchWebhook, ["webhook": id],
            body: WebhookPatch(enabled: true, skip: skip ? true : nil), as: WebhookInfo.self)
        try options.printer.say(webhook) { "Webhook \($0.id) is enabled." }
    }
}
