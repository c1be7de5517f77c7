import ArgumentParser
import MartletAPI

struct WebhooksReplay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Send deliveries again, with the same identifier of the event.",
        discussion: """
            Examples:
              martlet webhooks replay 4711
              martlet webhooks replay --dead w-0c55157adaa00277
            """)
    @Argument(help: "A delivery's number, from `martlet webhooks deliveries`; may be given several times.")
    var number: [Int64] = []
    @Option(help: "All dead deliveries of this webhook.") var dead: String?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard number.isEmpty == (dead != nil) else { throw ValidationError("Give numbers, or --dead WEBHOOK.") }
    }

    func run() async throws {
        let session = try options.session()
        var numbers = number
        if let dead {
            numbers = try await session.list(
                OperatorRoutes.deliveries, of: WebhookDelivery.self, query: ["webhook": dead, "state": "dead"]
            ).map(\.number).reversed()
        }
        var sent: [WebhookDelivery] = []
        for number in numbers {
            sent.append(
                try await session.send(
                    OperatorRoutes.replayDelivery, ["delivery": String(number)], body: [String: String](),
                    as: WebhookDelivery.self))
        }
        try options.printer.say(sent) { Printable.deliveries($0.count) + " on the way again." }
    }
}

extension Printable {
    /// `1 delivery`, `3 deliveries`.
    static func deliveries(_ number: Int) -> String { number == 1 ? "1 delivery" : "\(number) deliveries" }
}
