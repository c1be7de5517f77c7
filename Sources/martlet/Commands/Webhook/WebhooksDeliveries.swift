import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksDeliveries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deliveries", abstract: "List deliveries, newest first: what waits, arrived or was given up.",
        discussion: """
            Examples:
              martlet webhooks deliveries --dead
              martlet webhooks deliveries --webhook w-0c55157adaa00277 --limit 20
            """)
    @Flag(help: "Only those that were given up.") var dead = false
    @Option(help: "Only those to this webhook.") var webhook: String?
    @Option(help: "How many (default: 100).", transform: Count.positive) var limit = 100
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var query: [String: String] = [:]
        if dead { query["state"] = "dead" }
        query["webhook"] = webhook
        let deliveries = try await options.session().list(
            OperatorRoutes.deliveries, of: WebhookDelivery.self, query: query, limit: limit)
        try options.printer.show(deliveries) { deliveries in
            var table = Table(heads: ["number", "webhook", "event", "subject", "state", "attempts", "next", "answer"])
            table.rows = deliveries.map {
                [
                    String($0.number), $0.webhook, $0.event.type, $0.event.subject, $0.state, String($0.attempts),
                    $0.nextAttempt?.description ?? "-", $0.error ?? $0.status.map(String.init) ?? "-",
                ]
            }
            table.whenEmpty = dead ? "nothing was given up" : "nothing was sent yet"
            return table
        }
    }
}
