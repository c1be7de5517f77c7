import MartletTypes

/// How far from the registry an endpoint of webhooks may be; each includes those before it.
package enum WebhookNetwork: String, Sendable, CaseIterable, Comparable {
    /// Addresses that are routed in the whole internet.
    case `public`
    /// Those of private networks too: the usual place of what a self-hosted registry tells.
    case `private`
    /// This machine too.
    case loopback

    package static func < (left: Self, right: Self) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}

/// How webhooks are delivered.
package struct WebhookConfiguration: Sendable {
    /// Where endpoints may be. Link-local and metadata addresses are never among them.
    package var network: WebhookNetwork
    /// Certificates (a PEM file) that endpoints' certificates may lead to beside those that the system trusts.
    package var authorityFile: String?
    /// Attempts before a delivery is given up.
    package var attempts: Int64
    /// Before the second attempt; each pause is three times the former one, up to twelve hours.
    package var firstPause: Duration
    /// An endpoint whose every attempt failed for this long is disabled.
    package var disableAfter: Duration
    /// How long one attempt may take in all.
    package var timeout: Duration

    /// Fifteen attempts in about three days.
    package init(
        network: WebhookNetwork = .private, authorityFile: String? = nil, attempts: Int64 = 15,
        firstPause: Duration = .seconds(5), disableAfter: Duration = .seconds(5 * 86_400),
        timeout: Duration = .seconds(15)
    ) {
        self.network = network
        self.authorityFile = authorityFile
        self.attempts = attempts
        self.firstPause = firstPause
        self.disableAfter = disableAfter
        self.timeout = timeout
    }

    /// Throws `badConfiguration` for what cannot be meant.
    func validate() throws {
        func refuse(_ message: String, _ remedy: String, _ field: String) -> ServerError {
            ServerError(500, "badConfiguration", message, remedy: remedy, field: field)
        }
        guard (1...ServerLimits.webhookAttempts).contains(attempts) else {
            throw refuse(
                "A delivery cannot have \(attempts) attempts.", "Choose from 1 to \(ServerLimits.webhookAttempts).",
                "webhook-attempts")
        }
        guard firstPause >= .milliseconds(10), firstPause <= ServerLimits.webhookPause else {
            throw refuse(
                "The first pause of webhooks is not possible.", "Choose from 1s to 12h.", "webhook-first-pause")
        }
    }
}

extension ServerLimits {
    /// Webhooks: each is a cursor over all events.
    static let webhooks = 64
    /// Bytes of an endpoint's address: what proxies and logs take.
    static let webhookURLBytes = 2048
    /// Most attempts that a registry may be set to make.
    static let webhookAttempts: Int64 = 100
    /// Longest pause between two attempts.
    static let webhookPause = Duration.seconds(12 * 3600)
    /// Longest time in which nothing is sent to an endpoint because another delivery to it failed.
    static let webhookRest = Duration.seconds(300)
    /// Longest pause that an endpoint may ask for by `Retry-After`.
    static let webhookRetryAfter = Duration.seconds(3600)
    /// Endpoints that are sent to at once; each gets one delivery after the other.
    static let webhookEndpointsAtOnce = 16
    /// Deliveries to one endpoint before others have their turn.
    static let webhookBatch = 20
    /// Events that are looked at for one webhook in one transaction.
    static let webhookFanOut = 200
    /// Bytes of an answer that are read, to use the connection again; what they say is not kept.
    static let webhookAnswerBytes = 16 * 1024
    /// How long a former secret may sign beside the new one.
    static let webhookOverlap = Duration.seconds(30 * 86_400)
    /// How long it does where nobody says.
    static let webhookDefaultOverlap: Int64 = 86_400
    /// How long the right to deliver lasts without being extended: so long nothing is sent after a crash.
    static let webhookLease = Duration.seconds(10)
}
