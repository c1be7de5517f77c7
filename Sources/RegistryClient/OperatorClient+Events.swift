internal import HTTPTypes
package import MartletAPI
package import MartletTypes
internal import Synchronization

extension OperatorClient {
    // MARK: - Events and webhooks

    /// The newest events, newest first, of the types of a filter.
    package func events(_ filter: EventFilter = .everything, limit: Int) async throws(ClientError) -> [EventRecord] {
        var items: [EventRecord] = []
        var query = ["limit": String(min(limit, Limits.pageRows))]
        if !filter.text.isEmpty { query["type"] = filter.text }
        while items.count < limit {
            let page = try await api.get(OperatorRoutes.events, query: query, as: Page<EventRecord>.self)
            items += page.items
            guard let next = page.next, next != query["cursor"] else { break }
            query["cursor"] = next
        }
        return Array(items.prefix(limit))
    }

    /// Follows the stream of events until the registry ends it; each goes to `take`, on the client's thread.
    ///
    /// With `after` it begins after that event, else with the last `last` that there are. Throws `ClientError`, or
    /// what `take` threw.
    package func followEvents(
        _ filter: EventFilter = .everything, after: String? = nil, last: Int = 0,
        take: @escaping @Sendable (StreamedEvent) throws -> Void
    ) async throws {
        var query: [String: String] = [:]
        if !filter.text.isEmpty { query["type"] = filter.text }
        if last > 0, after == nil { query["last"] = String(last) }
        var call = api.call(OperatorRoutes.events, [:], query)
        call.fields[.accept] = EventStreamWords.mediaType
        if let after, let name = HTTPField.Name(EventStreamWords.lastEventID) { call.fields[name] = after }
        let parser = Mutex(EventStreamParser())
        _ = try await api.http.download(call, limit: .max) { bytes in
            let events = try parser.withLock { try $0.add(bytes) }
            for event in events { try take(event) }
        }
    }

    /// Makes a webhook; its secret stands in this answer only.
    package func createWebhook(_ request: WebhookRequest) async throws(ClientError) -> WebhookInfo {
        try await api.send(OperatorRoutes.createWebhook, body: request, as: WebhookInfo.self)
    }

    /// One webhook.
    package func webhook(_ id: String) async throws(ClientError) -> WebhookInfo {
        try await api.get(OperatorRoutes.webhook, ["webhook": id], as: WebhookInfo.self)
    }

    /// Changes a webhook.
    package func patchWebhook(_ id: String, _ patch: WebhookPatch) async throws(ClientError) -> WebhookInfo {
        try await api.send(OperatorRoutes.patchWebhook, ["webhook": id], body: patch, as: WebhookInfo.self)
    }

    /// Deliveries, newest first, by the query members that the API names.
    package func deliveries(_ query: [String: String] = [:]) async throws(ClientError) -> [WebhookDelivery] {
        try await api.list(OperatorRoutes.deliveries, query: query, of: WebhookDelivery.self)
    }
}
