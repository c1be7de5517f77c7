import ArgumentParser
import MartletTypes

struct Webhooks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have events sent to other programs.",
        discussion: """
            Deliveries are signed by the Standard Webhooks specification, repeated until the receiver takes them, and \
            kept to be sent again when it never does.

            Examples:
              martlet webhooks add https://hooks.example/martlet --event 'rollout.*' --event device.failed
              martlet webhooks test w-0c55157adaa00277
              martlet webhooks deliveries --dead
            """,
        subcommands: [
            WebhooksList.self, WebhooksAdd.self, WebhooksShow.self, WebhooksChange.self, WebhooksTest.self,
            WebhooksRotateSecret.self, WebhooksEnable.self, WebhooksDisable.self, WebhooksDelete.self,
            WebhooksDeliveries.self, WebhooksReplay.self, WebhooksDiscard.self,
        ],
        defaultSubcommand: WebhooksList.self)

    /// The filter of `--event` options.
    static func filter(_ events: [String]) throws -> EventFilter? {
        events.isEmpty ? nil : try EventFilter(events.joined(separator: ","))
    }
}
