import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List webhooks.", discussion: "Example: martlet webhooks list")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let webhooks = try await options.session().list(OperatorRoutes.webhooks, of: WebhookInfo.self)
        try options.printer.show(webhooks) { webhooks in
            var table = Table(heads: ["id", "url", "events", "state", "waiting", "dead"])
            table.rows = webhooks.map {
                [$0.id, $0.url, $0.events.description, Self.state($0), String($0.pending), String($0.dead)]
            }
            table.whenEmpty = "no webhooks; add one with `martlet webhooks add URL`"
            return table
        }
    }

    static func state(_ webhook: WebhookInfo) -> String {
        guard webhook.enabled else { return "disabled: " + (webhook.disabledReason ?? "") }
        return webhook.failingSince.map { "failing since \($0)" } ?? "enabled"
    }
}
