package import MartletTypes

/// An endpoint that events are sent to.
package struct WebhookRow: Sendable, Hashable {
    /// A secret that signs, by its number; the secret itself is made of it by the registry's key.
    package struct Secret: Sendable, Hashable, Codable {
        package var number: Int64
        /// When it signs no more; nil for the present one.
        package var until: Timestamp?

        package init(number: Int64, until: Timestamp? = nil) {
            self.number = number
            self.until = until
        }
    }

    package var id: String
    package var url: String
    package var filter: EventFilter
    /// The only namespaces whose events it gets; nil is all.
    package var namespaces: [String]?
    /// The only fleets whose events it gets; nil is all.
    package var fleets: [FleetName]?
    package var isEnabled: Bool
    /// Why it is not enabled.
    package var disabledReason: String?
    /// The present secret first.
    package var secrets: [Secret]
    /// The number of the last event that was looked at.
    package var event: Int64
    /// Since when every attempt failed; nil after a success.
    package var failingSince: Timestamp?
    /// Attempts that failed since the last success.
    package var failures: Int64 = 0
    package var created: Timestamp
    package var createdBy: String

    package init(
        id: String, url: String, filter: EventFilter, namespaces: [String]? = nil, fleets: [FleetName]? = nil,
        event: Int64, created: Timestamp, createdBy: String
    ) {
        self.id = id
        self.url = url
        self.filter = filter
        self.namespaces = namespaces
        self.fleets = fleets
        self.event = event
        self.created = created
        self.createdBy = createdBy
        isEnabled = true
        secrets = [Secret(number: 1)]
    }

    init(_ row: SQLRow) throws {
        id = try row.text("id")
        url = try row.text("url")
        filter = try Self.filter(try row.text("types"))
        namespaces = try row.optionalJSON("namespaces")
        fleets = try row.optionalJSON("fleets")
        isEnabled = try row.flag("is_enabled")
        disabledReason = try row.optionalText("disabled_reason")
        secrets = try row.json("secrets")
        event = try row.integer("event")
        failingSince = try row.optionalTime("failing_since")
        failures = try row.integer("failures")
        created = try row.time("created")
        createdBy = try row.text("created_by")
    }

    private static func filter(_ text: String) throws -> EventFilter {
        guard let filter = try? EventFilter(text) else {
            throw StoreError(.corrupt, "Column types does not hold a filter of events.")
        }
        return filter
    }

    /// Those that sign at a moment, the present one first.
    package func secrets(at now: Timestamp) -> [Secret] {
        secrets.filter { secret in secret.until.map { $0 > now } ?? true }
    }
}

/// Where a delivery stands.
package enum DeliveryState: String, Sendable, Codable, CaseIterable {
    /// Waits for its first or next attempt.
    case pending
    case delivered
    /// Given up, kept to be seen, sent again or thrown away.
    case dead
}

/// One event on its way to one webhook.
package struct DeliveryRow: Sendable, Hashable {
    package var number: Int64
    package var webhook: String
    package var state: DeliveryState
    package var attempts: Int64
    package var nextAttempt: Timestamp
    /// The HTTP status of the last attempt; nil where none came.
    package var status: Int64?
    /// Why the last attempt failed.
    package var error: String?
    package var created: Timestamp
    package var updated: Timestamp
    package var event: EventRow
}
