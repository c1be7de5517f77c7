import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing
import Trust

@testable import RegistryServer

/// Webhooks over TLS; the other side is the listener of another registry, which knows no such address.
@Suite struct WebhookTLSTests {
    /// How the first attempt to send to an endpoint ends.
    private func outcome(_ url: String, authority: String?) async throws -> WebhookDelivery {
        let registry = try await RegistryFixture.start {
            $0.webhooks = WebhookConfiguration(network: .loopback, authorityFile: authority, firstPause: .seconds(60))
        }
        _ = try await registry.admin.createWebhook(WebhookRequest(url: url, events: try EventFilter("fleet.*")))
        try await WebhookTests.happen(registry)
        let delivery = try await WebhookTests.delivery(registry, "it is tried") { $0.attempts > 0 }
        try await registry.stop()
        return delivery
    }

    private func expectRefusal(_ delivery: WebhookDelivery, _ what: Comment) {
        #expect(delivery.status == nil && delivery.error?.contains("TLS") == true, what)
    }

    /// Another registry, its port, and the file of its authority.
    private func other(
        _ clock: TestClock = TestClock()
    ) async throws -> (registry: RegistryFixture, port: Substring, authority: String) {
        let registry = try await RegistryFixture.start(clock: clock) { $0.operatorSecurity = .own }
        let port = try #require(registry.operatorOrigin.text.split(separator: ":").last)
        return (registry, port, registry.folder.file("data/keys/authority.crt"))
    }

    /// One whose certificate names only another host, though its authority is known.
    private func named(
        _ host: String
    ) async throws -> (registry: RegistryFixture, port: Substring, authority: String) {
        let folder = try TemporaryFolder("tls-name")
        let clock = TestClock()
        let authority = try CertificateAuthority.make(
            name: "office", key: try KeyPair.generate(.ecdsaP256), now: clock.now, valid: .seconds(86_400))
        let key = try KeyPair.generate(.ecdsaP256)
        let certificate = try authority.issueServer(key: key, hosts: [host], now: clock.now, valid: .seconds(3600))
        for (name, bytes) in [
            ("authority.pem", Array(authority.certificatePEM)), ("cert.pem", Array(certificate)),
            ("key.pem", Array(try key.pem())),
        ] { try Data(bytes).write(to: URL(fileURLWithPath: folder.file(name))) }
        let registry = try await RegistryFixture.start(clock: clock) {
            $0.operatorSecurity = .files(certificate: folder.file("cert.pem"), key: folder.file("key.pem"))
        }
        let port = try #require(registry.operatorOrigin.text.split(separator: ":").last)
        return (registry, port, folder.file("authority.pem"))
    }

    @Test("A certificate is believed by its authority, its name and its time, and not otherwise")
    func verification() async throws {
        let (registry, port, authority) = try await other()
        let past = TestClock()
        past.advance(by: .zero - ServerLimits.serverCertificateLife - .seconds(86_400))
        let old = try await other(past)
        let known = try await outcome("https://127.0.0.1:\(port)/hook", authority: authority)
        #expect(known.status == 404, "the other side was heard: \(known.error ?? "")")
        expectRefusal(
            try await outcome("https://127.0.0.1:\(port)/hook", authority: nil), "no public authority vouches for it")
        expectRefusal(
            try await outcome("https://127.0.0.1:\(port)/hook", authority: old.authority), "another's authority")
        expectRefusal(
            try await outcome("https://127.0.0.1:\(old.port)/hook", authority: old.authority), "it has expired")
        let elsewhere = try await named("hooks.example")
        expectRefusal(
            try await outcome("https://127.0.0.1:\(elsewhere.port)/hook", authority: elsewhere.authority),
            "its certificate names another host")
        let plain = try await outcome("http://127.0.0.1:\(port)/hook", authority: authority)
        #expect(plain.status == nil, "what speaks TLS takes nothing in clear: \(plain.error ?? "")")
        try await registry.stop()
        try await old.registry.stop()
        try await elsewhere.registry.stop()
    }
}
