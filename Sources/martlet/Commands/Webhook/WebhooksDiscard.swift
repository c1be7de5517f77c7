import ArgumentParser
import MartletAPI

struct WebhooksDiscard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard", abstract: "Throw deliveries away, whether they wait or were given up.",
        discussion: "Example: martlet webhooks discard 4711 4712")
    @Argument(help: "A delivery's number, from `martlet webhooks deliveries`; may be given several times.")
    var number: [Int64]
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        for number in number {
            try await session.send(OperatorRoutes.deleteDelivery, ["delivery": String(number)])
        }
        try options.printer.say(["discarded": number]) { _ in Printable.deliveries(number.count) + " discarded." }
    }
}
