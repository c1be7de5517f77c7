internal import HTTPTypes
package import MartletTypes

/// Something that happened, as webhooks, the stream and the list tell it: a CloudEvents 1.0 document in JSON.
package struct EventRecord: Sendable, Hashable, Codable {
    package var specversion: String
    /// The same in every delivery; whoever has seen it drops it.
    package var id: String
    /// The registry: the origin of its device listener.
    package var source: String
    /// An `EventType`; a newer registry may have more.
    package var type: String
    package var time: Timestamp
    /// What it is about: a device, a rollout, a release.
    package var subject: String
    package var data: JSONValue

    package init(id: String, source: String, type: EventType, time: Timestamp, subject: String, data: JSONValue) {
        specversion = "1.0"
        self.id = id
        self.source = source
        self.type = type.rawValue
        self.time = time
        self.subject = subject
        self.data = data
    }
}

/// Words of the stream of events that are no events.
package enum EventStreamWords {
    /// Its media type (WHATWG HTML, server-sent events).
    package static let mediaType = "text/event-stream"
    /// The header field of who goes on after an event.
    package static let lastEventID = "Last-Event-ID"
    /// What comes in place of events that are not kept any more.
    package static let gap = "stream.gap"
}

/// An endpoint to be made.
package struct WebhookRequest: Sendable, Hashable, Codable {
    package var url: String
    /// Types such as `rollout.*,device.failed`; nil is every one.
    package var events: EventFilter?
    /// The only namespaces whose events it gets; nil is all.
    package var namespaces: [String]?
    /// The only fleets whose events it gets; nil is all.
    package var fleets: [FleetName]?

    package init(
        url: String, events: EventFilter? = nil, namespaces: [String]? = nil, fleets: [FleetName]? = nil
    ) {
        self.url = url
        self.events = events
        self.namespaces = namespaces
        self.fleets = fleets
    }
}

/// What shall change of an endpoint; nil leaves it.
package struct WebhookPatch: Sendable, Hashable, Codable {
    package var url: String?
    package var events: EventFilter?
    package var enabled: Bool?
    /// With `enabled`: leaves out what happened while it was not.
    package var skip: Bool?

    package init(url: String? = nil, events: EventFilter? = nil, enabled: Bool? = nil, skip: Bool? = nil) {
        self.url = url
        self.events = events
        self.enabled = enabled
        self.skip = skip
    }
}

/// A new secret to be made for an endpoint.
package struct WebhookRotation: Sendable, Hashable, Codable {
    /// How long the former secret signs beside the new one, in seconds; nil is a day.
    package var overlapSeconds: Int64?

    package init(overlapSeconds: Int64? = nil) { self.overlapSeconds = overlapSeconds }
}

/// An endpoint that events are sent to.
package struct WebhookInfo: Sendable, Hashable, Codable {
    package var id: String
    package var url: String
    package var events: EventFilter
    package var namespaces: [String]?
    package var fleets: [FleetName]?
    package var enabled: Bool
    /// Why it is not enabled.
    package var disabledReason: String?
    /// Since when every attempt fails; nil where the last one did not.
    package var failingSince: Timestamp?
    /// Deliveries that wait, and that were given up.
    package var pending: Int
    package var dead: Int
    /// When secrets that were replaced sign no more.
    package var formerSecretsUntil: [Timestamp]
    package var created: Timestamp
    package var createdBy: String
    /// The present secret: only in the answer that made it.
    package var secret: String?

    package init(
        id: String, url: String, events: EventFilter, namespaces: [String]?, fleets: [FleetName]?, enabled: Bool,
        disabledReason: String?, failingSince: Timestamp?, pending: Int, dead: Int, formerSecretsUntil: [Timestamp],
        created: Timestamp, createdBy: String, secret: String? = nil
    ) {
        self.id = id
        self.url = url
        self.events = events
        self.namespaces = namespaces
        self.fleets = fleets
        self.enabled = enabled
        self.disabledReason = disabledReason
        self.failingSince = failingSince
        self.pending = pending
        self.dead = dead
        self.formerSecretsUntil = formerSecretsUntil
        self.created = created
        self.createdBy = createdBy
        self.secret = secret
    }
}

/// One event on its way to one endpoint.
package struct WebhookDelivery: Sendable, Hashable, Codable {
    package var number: Int64
    package var webhook: String
    /// `pending`, `delivered` or `dead`.
    package var state: String
    package var attempts: Int64
    /// When it is tried again; nil where it is not.
    package var nextAttempt: Timestamp?
    /// The HTTP status of the last attempt.
    package var status: Int64?
    /// Why the last attempt failed.
    package var error: String?
    package var created: Timestamp
    package var updated: Timestamp
    package var event: EventRecord

    package init(
        number: Int64, webhook: String, state: String, attempts: Int64, nextAttempt: Timestamp?, status: Int64?,
        error: String?, created: Timestamp, updated: Timestamp, event: EventRecord
    ) {
        self.number = number
        self.webhook = webhook
        self.state = state
        self.attempts = attempts
        self.nextAttempt = nextAttempt
        self.status = status
        self.error = error
        self.created = created
        self.updated = updated
        self.event = event
    }
}

/// What a test has set on its way.
package struct WebhookTestReceipt: Sendable, Hashable, Codable {
    /// The identifier of the event that goes to the endpoint.
    package var event: String

    package init(event: String) { self.event = event }
}

/// The routes of events and webhooks.
extension OperatorRoutes {
    /// A page of events, newest first; with `Accept: text/event-stream` the stream of them.
    package static let events = Route(.get, "/api/v1/events", .atLeast(.viewer), limits: .all)
    package static let webhooks = Route(.get, "/api/v1/webhooks", .atLeast(.admin))
    package static let createWebhook = Route(.post, "/api/v1/webhooks", .atLeast(.admin))
    package static let webhook = Route(.get, "/api/v1/webhooks/{webhook}", .atLeast(.admin))
    package static let patchWebhook = Route(.patch, "/api/v1/webhooks/{webhook}", .atLeast(.admin))
    package static let deleteWebhook = Route(.delete, "/api/v1/webhooks/{webhook}", .atLeast(.admin))
    /// Sends an event that says nothing, to this endpoint only.
    package static let testWebhook = Route(.post, "/api/v1/webhooks/{webhook}/test", .atLeast(.admin))
    /// Makes a new secret; the former one signs too for a while.
    package static let rotateWebhook = Route(.post, "/api/v1/webhooks/{webhook}/rotate-secret", .atLeast(.admin))
    package static let deliveries = Route(.get, "/api/v1/webhook-deliveries", .atLeast(.admin))
    package static let replayDelivery = Route(.post, "/api/v1/webhook-deliveries/{delivery}/replay", .atLeast(.admin))
    package static let deleteDelivery = Route(.delete, "/api/v1/webhook-deliveries/{delivery}", .atLeast(.admin))

    /// Every route above.
    static let ofEvents: [Route] = [
        events, webhooks, createWebhook, webhook, patchWebhook, deleteWebhook, testWebhook, rotateWebhook, deliveries,
        replayDelivery, deleteDelivery,
    ]
}
