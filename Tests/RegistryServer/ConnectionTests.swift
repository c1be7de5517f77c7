import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryStore
import TestSupport
import Testing
import Trust

@testable import RegistryServer

/// What crosses the network, and how.
@Suite struct ConnectionTests {
    @Test(
        "Both TLS listeners take TLS 1.2 and 1.3 and nothing older",
        arguments: [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)])
    func versions(option: String, isTaken: Bool) async throws {
        let registry = try await RegistryFixture.start { $0.operatorSecurity = .own }
        for origin in [registry.deviceOrigin, registry.operatorOrigin] {
            // Debian's own settings would not offer TLS 1.1 at all.
            let options = [option, "-cipher", "DEFAULT:@SECLEVEL=0"]
            let connection = try RawTLS(to: origin, folder: registry.folder, options: options)
            let answer = try await connection.request("GET /healthz HTTP/1.1")
            #expect(answer.hasPrefix("HTTP/1.1 200") == isTaken, "\(origin) by \(option): \(answer)")
        }
        try await registry.stop()
    }

    @Test("Outside loopback the operators' listener makes its own certificate, known by the authority's fingerprint")
    func ownCertificate() async throws {
        let registry = try await RegistryFixture.start {
            $0.operatorAddress = ListenAddress(host: "0.0.0.0", port: 0)
            $0.operatorHosts = ["registry.example"]
        }
        #expect(registry.operatorOrigin.scheme == .https)
        var anyone = HTTPClientConfiguration()
        anyone.acceptsAnyPeer = true
        let first = try HTTPClient(origin: registry.operatorOrigin, configuration: anyone)
        let pem = try await first.perform(HTTPCall(.get, OperatorRoutes.authority.path), limit: 1 << 16).body
        let fingerprint = try CertificateFacts(pem).sha256Fingerprint
        #expect(registry.lines.all.contains { $0.contains(fingerprint) })
        #expect(try await registry.admin.whoAmI().role == .admin)
        let stranger = try HTTPClient(origin: registry.operatorOrigin)
        await #expect(throws: ClientError.self) {
            _ = try await stranger.perform(HTTPCall(.get, "/healthz"), limit: 1000)
        }
        // The cookie of the dashboard goes over TLS only.
        let curl = try await TestSupport.run(
            "/usr/bin/curl",
            ["-s", "-i", "-k", "--data", "token=\(registry.adminToken)", registry.operatorOrigin.text + "/login"])
        #expect(curl.output.contains("; Secure"))
        try await registry.stop()
        // The same after a restart.
        let again = try await RegistryFixture.start(on: registry.folder) {
            $0.operatorAddress = ListenAddress(host: "0.0.0.0", port: 0)
            $0.operatorHosts = ["registry.example"]
        }
        #expect(again.lines.all.contains { $0.contains(fingerprint) })
        try await again.stop()
    }

    @Test("Plain HTTP leaves this machine only where that was ordered")
    func plain() throws {
        func security(_ address: String, _ ordered: RegistryConfiguration.OperatorSecurity?) throws
            -> RegistryConfiguration.OperatorSecurity
        {
            RegistryConfiguration(
                dataFolder: "/nowhere", operatorAddress: try ListenAddress(address), operatorSecurity: ordered,
                clock: { Timestamp(seconds: 0) }, announce: { _ in }
            ).security
        }
        for (address, ordered, expected) in [
            ("127.0.0.1:80", nil, .plain), ("[::1]:80", nil, .plain), ("localhost:80", nil, .plain),
            ("0.0.0.0:80", nil, .own), ("[::]:80", nil, .own), ("10.0.0.5:80", nil, .own),
            ("registry.example:80", nil, .own), ("127.0.0.1:80", .own, .own), ("0.0.0.0:80", .plain, .plain),
        ] as [(String, RegistryConfiguration.OperatorSecurity?, RegistryConfiguration.OperatorSecurity)] {
            #expect(try security(address, ordered) == expected, "\(address)")
        }
    }

    @Test(
        "An address that offers wrong tokens has to wait, at the login form too; tokens that were right go on working")
    func attempts() async throws {
        let registry = try await RegistryFixture.start()
        let known = try await registry.admin.createToken(TokenRequest(name: "known", role: .viewer)).secret
        let fresh = try await registry.admin.createToken(TokenRequest(name: "fresh", role: .viewer)).secret
        #expect(try await registry.call(.get, "/api/v1/status", token: known).status == 200)
        for _ in 0..<ServerLimits.wrongTokens {
            #expect(try await registry.call(.get, "/api/v1/status", token: "martlet_wrong").status == 401)
        }
        let late = try await registry.call(.get, "/api/v1/status", token: "martlet_wrong")
        #expect(late.status == 429 && late.fields[.retryAfter] != nil)
        // Not even a right guess is told from a wrong one now.
        #expect(try await registry.call(.get, "/api/v1/status", token: fresh).status == 429)
        #expect(try await registry.call(.get, "/v2/", token: fresh).status == 429)
        #expect(try await registry.call(.get, "/api/v1/status", token: known).status == 200)
        let form = try await RawHTTP.post(registry.operatorOrigin, "/login", "token=\(fresh ?? "")")
        #expect(form.hasPrefix("HTTP/1.1 429"))
        registry.clock.advance(by: .seconds(61))
        #expect(try await registry.call(.get, "/api/v1/status", token: fresh).status == 200)
        for _ in 0..<ServerLimits.wrongTokens {
            let wrong = try await RawHTTP.post(registry.operatorOrigin, "/login", "token=martlet_wrong")
            #expect(wrong.hasPrefix("HTTP/1.1 401"))
        }
        let locked = try await RawHTTP.post(registry.operatorOrigin, "/login", "token=martlet_wrong")
        #expect(locked.hasPrefix("HTTP/1.1 429"))
        try await registry.stop()
    }

    @Test(
        "Addresses of one subscriber count as one",
        arguments: [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true), ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("10.0.0.1", "10.0.0.2", false), ("::ffff:10.0.0.1", "::ffff:10.0.0.2", false),
            ("10.0.0.1", "10.0.0.1", true),
        ])
    func sources(left: String, right: String, isOne: Bool) {
        #expect((RateLimit.source(left) == RateLimit.source(right)) == isOne)
    }

    @Test("Secrets are compared in full, whatever they begin with")
    func comparison() {
        for (left, right) in [("", ""), ("a", "a"), ("abc", "abc")] { #expect(SecretHash.equal(left, right)) }
        for (left, right) in [("a", "b"), ("abc", "abd"), ("abc", "xbc"), ("abc", "ab"), ("", "a")] {
            #expect(!SecretHash.equal(left, right))
        }
    }

    @Test("A client that waits for 100 Continue gets it at once where it may send, and the refusal where it may not")
    func continues() async throws {
        let registry = try await RegistryFixture.start()
        let body = registry.folder.file("body.json")
        try #"{"name": "wards", "selector": ""}"#.write(toFile: body, atomically: true, encoding: .utf8)
        func put(_ token: String) async throws -> String {
            let result = try await TestSupport.run(
                "/usr/bin/curl",
                [
                    "-s", "-v", "-H", "Expect: 100-continue", "-H", "Authorization: Bearer \(token)", "-H",
                    "Content-Type: application/json", "--expect100-timeout", "300", "-m", "60", "-T", body,
                    registry.operatorOrigin.text + "/api/v1/fleets/wards",
                ])
            return result.errors + result.output
        }
        let taken = try await put(registry.adminToken)
        #expect(taken.contains("< HTTP/1.1 100 Continue") && taken.contains("< HTTP/1.1 200"), "\(taken)")
        let refused = try await put("martlet_wrong")
        #expect(!refused.contains("100 Continue") && refused.contains("< HTTP/1.1 401"), "\(refused)")
        #expect(refused.lowercased().contains("connection: close"))
        // Over TLS too.
        let device = try RawTLS(to: registry.deviceOrigin, folder: registry.folder)
        device.send("POST /device/v1/enrol HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n")
        device.send("Content-Type: application/json\r\nContent-Length: 2\r\n\r\n")
        try await eventually(within: 20, "the interim answer") { device.received.hasPrefix("HTTP/1.1 100") }
        device.send("{}")
        try await eventually(within: 20, "the answer") { device.received.contains("HTTP/1.1 400") }
        try await registry.stop()
    }

    @Test("Exports in gzip are taken; a bomb, a stump and what is no gzip are refused by name")
    func gzip() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let device = try await SimulatedDevice("box-1", at: registry)
        func gzipped(_ bytes: [UInt8]) async throws -> [UInt8] {
            let file = registry.folder.file("body")
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            _ = try await TestSupport.run("/usr/bin/gzip", ["-f", "-k", file])
            return Array(try Data(contentsOf: URL(fileURLWithPath: file + ".gz")))
        }
        func export(_ body: [UInt8], _ sequence: Int, coding: String = "gzip") async throws -> (Int, String) {
            var fields: HTTPFields = [.contentType: "application/json", .contentEncoding: coding]
            fields[try #require(HTTPField.Name(MartletFields.journal))] = device.journal.text
            fields[try #require(HTTPField.Name(MartletFields.sequence))] = String(sequence)
            let reply = try await device.client.api.http.perform(
                HTTPCall(.post, DeviceRoutes.telemetry.path, fields: fields, body: .bytes(body)), limit: 1 << 16)
            return (reply.status, String(decoding: reply.body, as: UTF8.self))
        }
        let whole = try await gzipped(Array(#"{"resourceMetrics": []}"#.utf8))
        #expect(try await export(whole, 1).0 == 200)
        #expect(try await export(Array(whole.dropLast(9)), 2).0 == 400)
        #expect(try await export(Array("{}".utf8), 3).0 == 400)
        let bomb = try await gzipped([UInt8](repeating: 32, count: Limits.telemetryBodyBytes + 1))
        #expect(bomb.count < Limits.telemetryBodyBytes / 100)
        #expect(try await export(bomb, 4).0 == 413)
        #expect(try await export(whole, 5, coding: "br").0 == 415)
        try await registry.stop()
    }
}
