import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksChange: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "change", abstract: "Change a webhook's address or the events that it gets.",
        discussion: "Example: martlet webhooks change w-0c55157adaa00277 --url https://new.example/martlet")
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @Option(help: "The new address.") var url: String?
    @Option(help: "The types that it gets from now on, `*` for every one; may be given several times.")
    var event: [String] = []
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard url != nil || !event.isEmpty else { throw ValidationError("Give --url or --event.") }
    }

    func run() async throws {
        let patch = WebhookPatch(url: url, events: try Webhooks.filter(event))
        let webhook = try await options.session().send(
            OperatorRoutes.patchWebhook, ["webhook": id], body: patch, as: WebhookInfo.self)
        try options.printer.show(webhook, table: WebhooksShow.table)
    }
}
