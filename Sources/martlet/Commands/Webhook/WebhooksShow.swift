import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one webhook.",
        discussion: "Example: martlet webhooks show w-0c55157adaa00277")
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let webhook = try await options.session().get(OperatorRoutes.webhook, ["webhook": id], as: WebhookInfo.self)
        try options.printer.show(webhook, table: Self.table)
    }

    static func table(_ webhook: WebhookInfo) -> Table {
        .facts([
            ("id", webhook.id), ("url", webhook.url), ("events", webhook.events.description),
            ("namespaces", webhook.namespaces?.joined(separator: ",") ?? "all"),
            ("fleets", webhook.fleets?.map(\.text).joined(separator: ",") ?? "all"),
            ("state", WebhooksList.state(webhook)), ("waiting", String(webhook.pending)),
            ("dead", String(webhook.dead)),
            (
                "former secrets sign until",
                webhook.formerSecretsUntil.map(\.description).joined(separator: ", ")
            ),
            ("created", "\(webhook.created) by \(webhook.createdBy)"),
        ])
    }
}
