import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

/// Walks the whole OpenAPI document: what needs a scope refuses everyone who has less.
@Suite struct ScopeWalkTests {
    /// Values for path parameters, so that an operation's address is well-formed. A parameter that is not here fails.
    static let parameters = [
        "role": "clinic", "file": "timestamp.json", "path": "clinic/triage/1.0.0", "device": "box-1", "fleet": "wards",
        "rollout": "r-1", "action": "pause", "token": "t-1", "name": "director", "proposal": "p-1", "slot": "triage",
        "webhook": "w-1", "delivery": "1", "rollback": "b-1",
    ]

    static func target(_ operation: APIDocument.Operation) -> String {
        for segment in operation.path.split(separator: "/") where segment.hasPrefix("{") {
            let name = segment.dropFirst().dropLast().replacing("+", with: "")
            #expect(Self.parameters[String(name)] != nil, "\(operation): give a value for \(name)")
        }
        return Route(operation.method, operation.path, .open).path(Self.parameters)
    }

    private struct Refusal {
        let status: Int
        let code: String
    }

    private static func refusal(
        _ registry: RegistryFixture, _ operation: APIDocument.Operation, _ token: String?
    ) async throws -> Refusal {
        let http = try registry.client(token: token)
        let reply = try await http.perform(
            HTTPCall(
                operation.method, target(operation), fields: [.contentType: "application/json"],
                body: operation.method == .get ? .none : .bytes(Array("{}".utf8))), limit: 1 << 20)
        await http.close()
        guard reply.status >= 400 else { return Refusal(status: reply.status, code: "") }
        return Refusal(status: reply.status, code: try JSONText.decode(Problem.self, from: reply.body).code)
    }

    private static func operatorOperations() throws -> [(APIDocument.Operation, Role)] {
        try APIDocument.operations().compactMap { operation in
            guard operation.listeners.contains("operator"), operation.role != "open" else { return nil }
            return (operation, try #require(Role(rawValue: operation.role), "\(operation): \(operation.role)"))
        }
    }

    @Test("No token, a wrong, a revoked, an expired one and every lesser role are refused by every operation")
    func lesserScopes() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        var secrets: [Role: String] = [:]
        for role in Role.allCases {
            secrets[role] = try await registry.admin.createToken(TokenRequest(name: "a-\(role)", role: role)).secret
        }
        let expired = try await registry.admin.createToken(TokenRequest(name: "old", role: .admin, validSeconds: 5))
        let revoked = try await registry.admin.createToken(TokenRequest(name: "gone", role: .admin))
        try await registry.admin.deleteToken(revoked.id)
        registry.clock.advance(by: .seconds(6))
        let operations = try Self.operatorOperations()
        #expect(operations.count > 30)
        for (operation, needed) in operations {
            // A minute later the address may offer wrong tokens again.
            registry.clock.advance(by: .seconds(61))
            for (token, what) in [
                (nil, "none"), ("martlet_" + String(repeating: "0", count: 64), "wrong"), (revoked.secret, "revoked"),
            ] {
                let refusal = try await Self.refusal(registry, operation, token)
                #expect(refusal.status == 401 && refusal.code == "unauthorized", "\(operation), token \(what)")
            }
            let old = try await Self.refusal(registry, operation, expired.secret)
            #expect(old.status == 401 && old.code == "tokenExpired", "\(operation), expired")
            for role in Role.allCases {
                let refusal = try await Self.refusal(registry, operation, secrets[role])
                if role < needed {
                    #expect(refusal.status == 403 && refusal.code == "forbidden", "\(operation) as \(role): \(refusal)")
                } else {
                    #expect(![401, 405].contains(refusal.status), "\(operation) as \(role): \(refusal)")
                    #expect(refusal.code != "forbidden" && refusal.code != "noRoute", "\(operation) as \(role)")
                }
            }
        }
        try await registry.stop()
    }

    @Test("A token with a limit that an operation does not hold is refused by it, whatever its role")
    func limitsNotHeld() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let limited: [(String, TokenRequest)] = [
            ("namespaces", TokenRequest(name: "n", role: .admin, namespaces: ["clinic"])),
            ("fleets", TokenRequest(name: "f", role: .admin, fleets: [try FleetName("wards")])),
        ]
        for (limit, request) in limited {
            let secret = try await registry.admin.createToken(request).secret
            for (operation, _) in try Self.operatorOperations() {
                let refusal = try await Self.refusal(registry, operation, secret)
                if operation.limits.contains(limit) {
                    #expect(refusal.code != "forbidden", "\(operation) with a limit of \(limit): \(refusal)")
                } else {
                    #expect(
                        refusal.status == 403 && refusal.code == "forbidden",
                        "\(operation) with a limit of \(limit): \(refusal)")
                }
            }
        }
        try await registry.stop()
    }

    @Test("What devices call is refused to operators' tokens, on either listener")
    func deviceOperations() async throws {
        let registry = try await RegistryFixture.start()
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        let http = try HTTPClient(
            origin: registry.deviceOrigin,
            configuration: .init(authorityPEM: authority, bearerToken: registry.adminToken))
        for operation in try APIDocument.operations() where operation.role == "device" {
            let target = Self.target(operation)
            let reply = try await http.perform(HTTPCall(operation.method, target), limit: 1 << 20)
            #expect(reply.status == 401, "\(operation)")
            #expect(try await registry.call(operation.method, target).status == 404, "\(operation) for operators")
        }
        await http.close()
        try await registry.stop()
    }
}
