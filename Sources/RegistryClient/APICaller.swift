internal import HTTPTypes
package import MartletAPI
internal import MartletTypes

/// Calls of routes with JSON in both directions; any status but 2xx is thrown as the registry's problem.
package struct APICaller: Sendable {
    /// The transport.
    package let http: HTTPClient

    package init(http: HTTPClient) { self.http = http }

    /// Calls a route without a body and reads its answer.
    package func get<Answer: Decodable>(
        _ route: Route, _ parameters: [String: String] = [:], query: [String: String] = [:], as type: Answer.Type
    ) async throws(ClientError) -> Answer {
        try decode(type, try await send(call(route, parameters, query)), route)
    }

    /// Calls a route with a body and reads its answer.
    ///
    /// A repeated call with the same `idempotencyKey` is done once; nil makes a fresh key.
    package func send<Answer: Decodable>(
        _ route: Route, _ parameters: [String: String] = [:], query: [String: String] = [:], body: some Encodable,
        idempotencyKey: String? = nil, as type: Answer.Type
    ) async throws(ClientError) -> Answer {
        var call = call(route, parameters, query)
        try attach(body, to: &call, idempotencyKey)
        return try decode(type, try await send(call), route)
    }

    /// Calls a route with a body, whose answer has none that matters.
    package func send(
        _ route: Route, _ parameters: [String: String] = [:], query: [String: String] = [:], body: some Encodable,
        idempotencyKey: String? = nil
    ) async throws(ClientError) {
        var call = call(route, parameters, query)
        try attach(body, to: &call, idempotencyKey)
        _ = try await send(call)
    }

    /// Calls a route with neither body nor answer, e.g. a deletion.
    package func send(
        _ route: Route, _ parameters: [String: String] = [:], query: [String: String] = [:]
    ) async throws(ClientError) {
        _ = try await send(call(route, parameters, query))
    }

    /// All items of a list, page after page.
    package func list<Item: Sendable & Codable>(
        _ route: Route, _ parameters: [String: String] = [:], query: [String: String] = [:], of type: Item.Type
    ) async throws(ClientError) -> [Item] {
        var items: [Item] = []
        var query = query
        for _ in 0..<ClientLimits.pages {
            let page = try await get(route, parameters, query: query, as: Page<Item>.self)
            items += page.items
            guard let next = page.next, next != query["cursor"] else { return items }
            query["cursor"] = next
        }
        throw ClientError(
            .malformedReply, subject(route), "the list goes on after \(ClientLimits.pages) pages")
    }

    /// Sends a call; any status but 2xx is thrown.
    package func send(_ call: HTTPCall, limit: Int = ClientLimits.answerBytes) async throws(ClientError) -> HTTPReply {
        let reply = try await http.perform(call, limit: limit)
        guard (200..<300).contains(reply.status) else {
            throw ClientError(
                answer: reply, subject: "\(call.method.rawValue) \(http.origin)\(call.target.prefix { $0 != "?" })")
        }
        return reply
    }

    /// A call of a route with its parameters and query filled in.
    package func call(
        _ route: Route, _ parameters: [String: String] = [:], _ query: [String: String] = [:]
    ) -> HTTPCall {
        let pairs = query.sorted { $0.key < $1.key }
            .map { PercentEncoding.encode($0.key) + "=" + PercentEncoding.encode($0.value) }
        let target = route.path(parameters) + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
        return HTTPCall(route.method, target, fields: [.accept: "application/json, application/problem+json"])
    }

    /// Puts a JSON body and an idempotency key on a call.
    package func attach(
        _ body: some Encodable, to call: inout HTTPCall, _ idempotencyKey: String? = nil
    ) throws(ClientError) {
        do {
            call.body = .bytes(try JSONText.encode(body))
        } catch {
            throw ClientError(.invalidCall, "\(call.method.rawValue) \(call.target)", "the body has no JSON form")
        }
        call.fields[.contentType] = "application/json"
        if let name = HTTPField.Name(MartletFields.idempotencyKey) {
            call.fields[name] = idempotencyKey ?? Self.freshKey()
        }
    }

    private func decode<Answer: Decodable>(
        _ type: Answer.Type, _ reply: HTTPReply, _ route: Route
    ) throws(ClientError) -> Answer {
        do {
            return try JSONText.decode(type, from: reply.body)
        } catch {
            throw ClientError(
                .malformedReply, subject(route), "the answer is not the document that was asked for: \(error)")
        }
    }

    private func subject(_ route: Route) -> String { "\(route.method.rawValue) \(http.origin)\(route.path)" }

    /// 128 random bits in hexadecimal, so that no two calls share a key.
    private static func freshKey() -> String {
        var random = SystemRandomNumberGenerator()
        return Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    }
}

extension ClientLimits {
    /// An answer in JSON: pages of at most `Limits.pageRows` rows, a rollout with all its devices.
    package static let answerBytes = 32 * 1024 * 1024
}
