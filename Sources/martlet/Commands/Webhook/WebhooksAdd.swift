import ArgumentParser
import MartletAPI
import MartletTypes

struct WebhooksAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Send events to an address; the secret is printed this once.",
        discussion: """
            Without --event it gets every event. The receiver checks signatures with the secret.

            Example:
              martlet webhooks add https://hooks.example/martlet --event 'rollout.*' --fleet wards > webhook.secret
            """)
    @Argument(help: "Where events are sent by POST.") var url: String
    @Option(help: "A type such as rollout.paused, or a group such as rollout.*; may be given several times.")
    var event: [String] = []
    @Option(help: "Only events of this namespace's releases; may be given several times.") var namespace: [String] = []
    @Option(help: "Only events of this fleet; may be given several times.", transform: FleetName.init)
    var fleet: [FleetName] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let request = WebhookRequest(
            url: url, events: try Webhooks.filter(event), namespaces: namespace.isEmpty ? nil : namespace,
            fleets: fleet.isEmpty ? nil : fleet)
        let webhook = try await options.session().send(
            OperatorRoutes.createWebhook, body: request, as: WebhookInfo.self)
        options.printer.note("Webhook \(webhook.id) is enabled. Its secret:")
        try options.printer.say(webhook) { $0.secret ?? "" }
    }
}
