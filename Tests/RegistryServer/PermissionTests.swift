import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

@testable import RegistryServer

@Suite struct PermissionTests {
    private static let parameters = ScopeWalkTests.parameters

    @Test("Every page sends who has not signed in to the login, and the walk of the document misses no route")
    func pages() async throws {
        let registry = try await RegistryFixture.start()
        let anonymous = try registry.client(token: nil)
        for route in DashboardRoutes.all where route.access != .open {
            // The client refuses to follow.
            let error = await #expect(throws: ClientError.self) {
                _ = try await anonymous.perform(HTTPCall(route.method, route.path(Self.parameters)), limit: 1 << 20)
            }
            #expect(error?.reason == .redirected, "\(route.path)")
        }
        // `ScopeWalkTests` refuse every lesser scope by the document, which `OpenAPITests` hold against the routes.
        let documented = try APIDocument.operations().filter { $0.listeners.contains("operator") }
        #expect(documented.count == OperatorRoutes.all.count)
        try await registry.stop()
    }

    @Test("No device route is open to who has no certificate, and the operators' listener has none of them")
    func deviceRoutes() async throws {
        let registry = try await RegistryFixture.start()
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        let anonymous = try HTTPClient(origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority))
        for route in DeviceRoutes.all {
            let target = route.path(Self.parameters)
            let reply = try await anonymous.perform(HTTPCall(route.method, target), limit: 1 << 20)
            if route.access == .device { #expect(reply.status == 401, "\(target)") }
            guard target.hasPrefix("/device/") else { continue }
            #expect(try await registry.call(route.method, target).status == 404, "\(target) at the operators' listener")
        }
        try await registry.stop()
    }

    @Test("Wrong requests get problems that name the field")
    func problems() async throws {
        let registry = try await RegistryFixture.start()
        let json: HTTPFields = [.contentType: "application/json"]
        let cases: [(HTTPRequest.Method, String, HTTPFields, String, Int, String?)] = [
            (.post, "/api/v1/tokens", json, "{\"role\": \"admin\"}", 400, "/name"),
            (.post, "/api/v1/tokens", json, "{\"name\": \"x\", \"role\": \"king\"}", 400, "/role"),
            (.post, "/api/v1/tokens", json, "{\"name\": 7, \"role\": \"admin\"}", 400, "/name"),
            (.post, "/api/v1/tokens", json, "{\"name\": \"a b\", \"role\": \"admin\"}", 400, "/name"),
            (.post, "/api/v1/tokens", json, "{", 400, nil),
            (.post, "/api/v1/tokens", [.contentType: "text/plain"], "{}", 415, nil),
            (.put, "/api/v1/fleets/wards", json, "{\"name\": \"other\", \"selector\": \"\"}", 400, "/name"),
            (.put, "/api/v1/fleets/Wards", json, "{\"name\": \"wards\", \"selector\": \"\"}", 400, "fleet"),
            (.post, "/api/v1/join-tokens", json, "{\"uses\": 0, \"validSeconds\": 1, \"labels\": {}}", 400, "/uses"),
            (.get, "/api/v1/devices/%ZZ", [:], "", 400, nil), (.get, "/api/v2/devices", [:], "", 404, nil),
            (.get, "/api/v1/devices/..", [:], "", 400, "device"), (.put, "/healthz", [:], "", 405, nil),
        ]
        for (method, target, fields, body, status, field) in cases {
            let reply = try await registry.call(method, target, fields: fields, body: .bytes(Array(body.utf8)))
            let problem = try JSONText.decode(Problem.self, from: reply.body)
            #expect(reply.status == status && problem.status == status, "\(target) \(body): \(problem)")
            #expect(problem.field == field, "\(target) \(body): \(problem)")
            #expect(reply.fields[.contentType] == Problem.mediaType)
        }
        let large = try await registry.call(
            .post, "/api/v1/tokens", fields: json, body: .bytes([UInt8](repeating: 32, count: Limits.apiBodyBytes + 1)))
        #expect(large.status == 413)
        try await registry.stop()
    }

    @Test("Tokens show their secret once, end when told, and the log knows who made them")
    func tokens() async throws {
        let registry = try await RegistryFixture.start()
        let made = try await registry.admin.createToken(TokenRequest(name: "ann", role: .operator))
        let secret = try #require(made.secret)
        #expect(try await registry.admin.tokens().allSatisfy { $0.secret == nil })
        await expectProblem(409, "alreadyExists") {
            _ = try await registry.admin.createToken(TokenRequest(name: "ann", role: .viewer))
        }
        let ann = OperatorClient(http: try registry.client(token: secret))
        #expect(try await ann.whoAmI() == Caller(name: "ann", role: .operator))
        try await registry.admin.deleteToken(made.id)
        await expectProblem(401, "unauthorized") { _ = try await ann.whoAmI() }
        await expectProblem(404, "unknownToken") { try await registry.admin.deleteToken(made.id) }
        let rows = try await registry.admin.audit()
        #expect(rows.contains { $0.action == "token.create" && $0.subject == "ann" && $0.actor == "admin" })
        #expect(!String(decoding: try JSONText.encode(rows), as: UTF8.self).contains(secret))
        try await registry.stop()
    }
}
