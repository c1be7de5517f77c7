import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksRotateSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-secret", abstract: "Make a new secret; it is printed this once.",
        discussion: """
            The former secret signs beside the new one for a while, so that the receiver can be changed in between.

            Example: martlet webhooks rotate-secret w-0c55157adaa00277 --overlap 2d > webhook.secret
            """)
    @Argument(help: "Its id, from `martlet webhooks list`.") var id: String
    @Option(help: "How long the former secret signs too (default: 1d).", transform: TimeSpan.init)
    var overlap = TimeSpan(seconds: 86_400)
    @Flag(help: "The former secret was stolen: it signs no more.") var atOnce = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let rotation = WebhookRotation(overlapSeconds: atOnce ? 0 : overlap.seconds)
        let webhook = try await options.session().send(
            OperatorRoutes.rotateWebhook, ["webhook": id], body: rotation, as: WebhookInfo.self)
        try options.printer.say(webhook) { $0.secret ?? "" }
    }
}
