import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Send a webhook an event that says nothing, and see what comes of it.",
        discussion: "Example: martlet webhooks test w-0c55157adaa00277")
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @Option(help: "How long to wait for its answer (default: 30s).", transform: TimeSpan.init)
    var timeout = TimeSpan(seconds: 30)
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let receipt = try await session.send(
            OperatorRoutes.testWebhook, ["webhook": id], body: [String: String](), as: WebhookTestReceipt.self)
        let end = ContinuousClock.now + .seconds(timeout.seconds)
        while ContinuousClock.now < end {
            let rows = try await session.list(
                OperatorRoutes.deliveries, of: WebhookDelivery.self, query: ["webhook": id], limit: Limits.pageRows)
            if let delivery = rows.first(where: { $0.event.id == receipt.event }), delivery.attempts > 0 {
                try options.printer.say(delivery) { Self.words($0) }
                guard delivery.state != "delivered" else { return }
                throw CommandError(
                    "waitFailed", "Webhook \(id) does not work.",
                    remedy: "See `martlet webhooks deliveries --webhook \(id)`; it is tried again.", fault: .peer)
            }
            try await Task.sleep(for: .milliseconds(250))
        }
        throw CommandError(
            "testWaits", "The event \(receipt.event) was not sent yet: others wait before it.",
            remedy: "`martlet webhooks deliveries --webhook \(id)` shows what comes of it.")
    }

    private static func words(_ delivery: WebhookDelivery) -> String {
        delivery.state == "delivered"
            ? "The endpoint took event \(delivery.event.id) with status \(delivery.status ?? 0)."
            : "The endpoint did not take event \(delivery.event.id): \(delivery.error ?? "unknown")."
    }
}
