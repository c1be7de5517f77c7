import MartletAPI
import MartletTypes
import RegistryClient

/// A connection to one registry with the operator's token: what every command calls through.
///
/// The process ends with its command, so the transport is not closed by hand.
struct Session: Sendable {
    /// The registry's operator address.
    let server: String
    /// The bearer token, if one is known.
    let token: String?
    /// PEM of the authority that is believed; nil is the system's.
    let authority: String?
    /// What `login` and `trust init` remembered.
    let stored: ClientConfiguration
    /// The transport.
    let http: HTTPClient

    init(server: String, token: String?, authority: String?, stored: ClientConfiguration) throws {
        self.server = server
        self.token = token
        self.authority = authority
        self.stored = stored
        http = try HTTPClient(
            origin: Origin(server),
            configuration: HTTPClientConfiguration(
                authorityPEM: authority.map { Array($0.utf8) }, bearerToken: token,
                userAgent: "martlet/" + MartletVersion.text))
    }

    /// Typed calls.
    var registry: OperatorClient { OperatorClient(http: http) }

    /// Calls a route and reads its answer.
    func get<Answer: Decodable>(
        _ route: Route, _ parameters: [String: String] = [:], as type: Answer.Type
    ) async throws -> Answer {
        try await registry.api.get(route, parameters, as: type)
    }

    /// Calls a route with a document and reads its answer.
    func send<Answer: Decodable>(
        _ route: Route, _ parameters: [String: String] = [:], body: some Encodable, as type: Answer.Type
    ) async throws -> Answer {
        try await registry.api.send(route, parameters, body: body, as: type)
    }

    /// Calls a route with neither document nor answer.
    func send(_ route: Route, _ parameters: [String: String] = [:]) async throws {
        try await registry.api.send(route, parameters)
    }

    /// The first `limit` items of a list, page after page.
    func list<Item: Sendable & Codable>(
        _ route: Route, _ parameters: [String: String] = [:], of type: Item.Type, query: [String: String] = [:],
        limit: Int = .max
    ) async throws -> [Item] {
        var items: [Item] = []
        var query = query
        query["limit"] = String(min(limit, Limits.pageRows))
        while items.count < limit {
            let page = try await registry.api.get(route, parameters, query: query, as: Page<Item>.self)
            items += page.items
            guard let next = page.next, next != query["cursor"] else { break }
            query["cursor"] = next
        }
        return Array(items.prefix(limit))
    }

    /// The release that a reference names.
    func resolve(_ reference: ReleaseReference) async throws -> ReleasePath {
        try await registry.resolve(reference)
    }
}
