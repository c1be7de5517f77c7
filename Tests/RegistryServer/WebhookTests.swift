import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

@testable import RegistryServer

/// Deliveries from a real registry to a real receiver.
@Suite struct WebhookTests {
    /// A registry that sends to this machine and does not wait long.
    static func registry(
        on folder: TemporaryFolder? = nil, attempts: Int64 = 15, clock: TestClock = TestClock(),
        timeout: Duration = .seconds(20)
    ) async throws -> RegistryFixture {
        try await RegistryFixture.start(on: folder, clock: clock) {
            $0.webhooks = WebhookConfiguration(
                network: .loopback, attempts: attempts, firstPause: .milliseconds(20), timeout: timeout)
        }
    }

    /// Something that happens: a fleet changes.
    static func happen(_ registry: RegistryFixture, _ name: String = "wards", site: String = "berlin") async throws {
        _ = try await registry.admin.putFleet(
            Fleet(name: try FleetName(name), selector: try LabelSelector("site=\(site)")))
    }

    static func delivery(
        _ registry: RegistryFixture, _ what: String, _ isSo: @escaping @Sendable (WebhookDelivery) -> Bool
    ) async throws -> WebhookDelivery {
        try await eventually(within: 60, what) { try await registry.admin.deliveries().contains(where: isSo) }
        return try #require(try await registry.admin.deliveries().first(where: isSo))
    }

    static func isSigned(_ request: WebhookReceiver.Request, by secret: String) throws -> Bool {
        let key = Array(try #require(Data(base64Encoded: String(secret.dropFirst("whsec_".count)))))
        let stamp = request.fields["webhook-timestamp"] ?? ""
        let code = MessageCode.sha256(key: key, Array("\(request.id).\(stamp).".utf8) + request.body)
        let wanted = "v1," + Data(code).base64EncodedString()
        return (request.fields["webhook-signature"] ?? "").split(separator: " ").contains { $0 == wanted }
    }

    @Test("An event arrives once, signed, as the document that the list shows")
    func arrival() async throws {
        let registry = try await Self.registry()
        let receiver = try WebhookReceiver()
        let webhook = try await registry.admin.createWebhook(
            WebhookRequest(url: receiver.url, events: try EventFilter("fleet.*")))
        let secret = try #require(webhook.secret)
        #expect(secret.hasPrefix("whsec_") && webhook.enabled)
        #expect(try await registry.admin.webhook(webhook.id).secret == nil, "it is shown once")
        try await Self.happen(registry)
        _ = try await registry.admin.createToken(TokenRequest(name: "bob", role: .viewer))
        let delivery = try await Self.delivery(registry, "it arrives") { $0.state == "delivered" }
        let request = try #require(receiver.requests.first)
        let event = try JSONText.decode(EventRecord.self, from: request.body)
        #expect(event == delivery.event && event.type == "fleet.changed" && event.subject == "wards")
        #expect(event.specversion == "1.0" && event.source.hasPrefix("https://"))
        #expect(request.id == event.id && request.fields["content-type"] == "application/json")
        #expect(try Self.isSigned(request, by: secret))
        #expect(try !Self.isSigned(request, by: "whsec_" + Data(repeating: 0, count: 32).base64EncodedString()))
        #expect(delivery.attempts == 1 && delivery.status == 204)
        #expect(try await registry.admin.events(limit: 50).contains(event))
        #expect(receiver.requests.count == 1, "what it did not ask for does not come")
        receiver.close()
        try await registry.stop()
    }

    @Test("A receiver that fails is sent the same event again, with the same identifier, until it takes it")
    func retries() async throws {
        let registry = try await Self.registry()
        let receiver = try WebhookReceiver { _, number in
            [.status(500), .hangUp, .status(503, fields: ["retry-after": "0"])][safe: number] ?? .status(200)
        }
        let webhook = try await registry.admin.createWebhook(
            WebhookRequest(url: receiver.url, events: try EventFilter("fleet.*")))
        try await Self.happen(registry)
        let delivery = try await Self.delivery(registry, "it arrives at last") { $0.state == "delivered" }
        #expect(delivery.attempts == 4 && delivery.error == nil)
        let requests = receiver.requests
        #expect(requests.count == 4 && Set(requests.map(\.id)) == [delivery.event.id])
        #expect(Set(requests.map(\.text)).count == 1)
        for request in requests { #expect(try Self.isSigned(request, by: webhook.secret ?? "")) }
        #expect(try await registry.admin.webhook(webhook.id).failingSince == nil)
        receiver.close()
        try await registry.stop()
    }

    @Test("What is refused to the end is dead: it is shown, sent again, or thrown away; redirects lead nowhere")
    func deadLetters() async throws {
        let registry = try await Self.registry(attempts: 2)
        let other = try WebhookReceiver()
        let isWell = Flag()
        let receiver = try WebhookReceiver { _, _ in
            isWell.isSet ? .status(204) : .status(307, fields: ["location": other.url])
        }
        let webhook = try await registry.admin.createWebhook(
            WebhookRequest(url: receiver.url, events: try EventFilter("fleet.*")))
        try await Self.happen(registry, "a")
        try await Self.happen(registry, "b")
        try await eventually(within: 60, "both are given up") {
            try await registry.admin.deliveries(["state": "dead"]).count == 2
        }
        let dead = try await registry.admin.deliveries(["state": "dead", "webhook": webhook.id])
        #expect(dead.allSatisfy { $0.attempts == 2 && $0.status == 307 && $0.error?.contains("redirects") == true })
        #expect(other.requests.isEmpty)
        let info = try await registry.admin.webhook(webhook.id)
        #expect(info.dead == 2 && info.failingSince != nil && info.enabled)
        isWell.set()
        let newest = try #require(dead.first)
        _ = try await registry.admin.api.send(
            OperatorRoutes.replayDelivery, ["delivery": String(newest.number)], body: [String: String](),
            as: WebhookDelivery.self)
        let again = try await Self.delivery(registry, "it arrives") { $0.state == "delivered" }
        #expect(again.number == newest.number && again.event == newest.event)
        #expect(receiver.requests.filter { $0.id == newest.event.id }.count == 3)
        let oldest = try #require(dead.last)
        try await registry.admin.api.send(OperatorRoutes.deleteDelivery, ["delivery": String(oldest.number)])
        #expect(try await registry.admin.deliveries(["state": "dead"]).isEmpty)
        await expectProblem(404, "unknownDelivery") {
            try await registry.admin.api.send(OperatorRoutes.deleteDelivery, ["delivery": String(oldest.number)])
        }
        receiver.close()
        other.close()
        try await registry.stop()
    }

    @Test("410 disables an endpoint; enabled again it gets what it has missed, or not")
    func gone() async throws {
        let registry = try await Self.registry()
        let isWell = Flag()
        let receiver = try WebhookReceiver { _, _ in .status(isWell.isSet ? 200 : 410) }
        let id = try await registry.admin.createWebhook(
            WebhookRequest(url: receiver.url, events: try EventFilter("fleet.*"))
        ).id
        try await Self.happen(registry, "a")
        try await eventually(within: 60, "it is disabled") { try await !registry.admin.webhook(id).enabled }
        #expect(try await registry.admin.webhook(id).disabledReason?.contains("410") == true)
        let types = try await registry.admin.events(try EventFilter("webhook.*"), limit: 10).map(\.type)
        #expect(types.first == "webhook.disabled")
        await expectProblem(409, "webhookDisabled") {
            _ = try await registry.admin.api.send(
                OperatorRoutes.testWebhook, ["webhook": id], body: [String: String](), as: WebhookTestReceipt.self)
        }
        isWell.set()
        try await Self.happen(registry, "b")
        _ = try await registry.admin.patchWebhook(id, WebhookPatch(enabled: true))
        let missed = try await Self.delivery(registry, "what was missed comes") { $0.event.subject == "b" }
        try await eventually(within: 60, "it arrives") {
            receiver.requests.contains { $0.id == missed.event.id }
        }
        _ = try await registry.admin.patchWebhook(id, WebhookPatch(enabled: false))
        try await Self.happen(registry, "c")
        _ = try await registry.admin.patchWebhook(id, WebhookPatch(enabled: true, skip: true))
        try await Self.happen(registry, "d")
        _ = try await Self.delivery(registry, "what comes after") { $0.event.subject == "d" }
        #expect(try await !registry.admin.deliveries().contains { $0.event.subject == "c" })
        receiver.close()
        try await registry.stop()
    }

    @Test("An endpoint that fails for long is disabled with the reason")
    func failingForLong() async throws {
        let clock = TestClock()
        let registry = try await Self.registry(clock: clock)
        let id = try await registry.admin.createWebhook(
            WebhookRequest(url: "http://127.0.0.1:\(try freePort())/", events: try EventFilter("fleet.*"))
        ).id
        try await Self.happen(registry)
        try await eventually(within: 60, "it fails") { try await registry.admin.webhook(id).failingSince != nil }
        #expect(try await registry.admin.webhook(id).enabled)
        clock.advance(by: .seconds(5 * 86_400))
        try await eventually(within: 60, "it is disabled") { try await !registry.admin.webhook(id).enabled }
        #expect(try await registry.admin.webhook(id).disabledReason?.hasPrefix("it failed since") == true)
        try await registry.stop()
    }

    @Test("An endless answer and one that never comes hold nobody up")
    func hardship() async throws {
        let registry = try await Self.registry(timeout: .seconds(6))
        let silent = try WebhookReceiver { _, _ in .silence }
        let endless = try WebhookReceiver { _, _ in .endless }
        let well = try WebhookReceiver()
        for receiver in [silent, endless, well] {
            _ = try await registry.admin.createWebhook(
                WebhookRequest(url: receiver.url, events: try EventFilter("fleet.*")))
        }
        try await Self.happen(registry)
        let late = try await Self.delivery(registry, "silence is a failure") { $0.error != nil }
        #expect(late.error?.contains("longer than 6 s") == true || late.error?.contains("no answer") == true)
        try await eventually(within: 60, "the others have it") {
            try await registry.admin.deliveries(["state": "delivered"]).count == 2
        }
        #expect(well.requests.count == 1)
        for receiver in [silent, endless, well] { receiver.close() }
        try await registry.stop()
    }

    @Test("Both secrets sign while one is rotated, and the former one no more after its time")
    func rotation() async throws {
        let clock = TestClock()
        let registry = try await Self.registry(clock: clock)
        let receiver = try WebhookReceiver()
        let webhook = try await registry.admin.createWebhook(
            WebhookRequest(url: receiver.url, events: try EventFilter("fleet.*")))
        let rotated = try await registry.admin.api.send(
            OperatorRoutes.rotateWebhook, ["webhook": webhook.id], body: WebhookRotation(overlapSeconds: 3600),
            as: WebhookInfo.self)
        let (former, present) = (try #require(webhook.secret), try #require(rotated.secret))
        #expect(former != present && rotated.formerSecretsUntil.count == 1)
        try await Self.happen(registry, "a")
        try await eventually(within: 60, "it arrives") { receiver.requests.count == 1 }
        let first = receiver.requests[0]
        #expect(try Self.isSigned(first, by: former) && Self.isSigned(first, by: present))
        clock.advance(by: .seconds(3601))
        try await Self.happen(registry, "b")
        try await eventually(within: 60, "it arrives") { receiver.requests.count == 2 }
        let second = receiver.requests[1]
        #expect(try !Self.isSigned(second, by: former) && Self.isSigned(second, by: present))
        receiver.close()
        try await registry.stop()
    }

    @Test("What happened while a registry was down, or a receiver away, arrives after both are back")
    func restart() async throws {
        let folder = try TemporaryFolder("webhooks")
        let port = try freePort()
        let first = try await Self.registry(on: folder)
        let webhook = try await first.admin.createWebhook(
            WebhookRequest(url: "http://127.0.0.1:\(port)/", events: try EventFilter("fleet.*")))
        try await Self.happen(first)
        let waiting = try await Self.delivery(first, "it is tried") { $0.attempts > 0 }
        try await first.stop()
        let receiver = try WebhookReceiver(port: port)
        let second = try await Self.registry(on: folder)
        try await eventually(within: 60, "it arrives") { !receiver.requests.isEmpty }
        #expect(receiver.requests[0].id == waiting.event.id)
        #expect(try Self.isSigned(receiver.requests[0], by: webhook.secret ?? ""), "the secret is the same")
        receiver.close()
        try await second.stop()
    }

    @Test("A webhook gets the events of its fleet and namespaces, a test only itself")
    func limits() async throws {
        let registry = try await Self.registry()
        let (wards, labs) = (try WebhookReceiver(), try WebhookReceiver())
        for name in ["wards", "labs"] { try await Self.happen(registry, name, site: name) }
        let own = try await registry.admin.createWebhook(
            WebhookRequest(url: wards.url, fleets: [try FleetName("wards")]))
        _ = try await registry.admin.createWebhook(WebhookRequest(url: labs.url, fleets: [try FleetName("labs")]))
        try await registry.initializeTrust()
        _ = try await SimulatedDevice("box-1", at: registry, labels: ["site": "wards"])
        _ = try await SimulatedDevice("box-2", at: registry, labels: ["site": "labs"])
        _ = try await registry.admin.api.send(
            OperatorRoutes.testWebhook, ["webhook": own.id], body: [String: String](), as: WebhookTestReceipt.self)
        try await eventually(within: 60, "all has arrived") { wards.requests.count == 2 && labs.requests.count == 1 }
        func seen(_ receiver: WebhookReceiver) throws -> [String] {
            try receiver.requests.map {
                let event = try JSONText.decode(EventRecord.self, from: $0.body)
                return "\(event.type) \(event.subject)"
            }
        }
        #expect(try seen(wards) == ["device.enrolled box-1", "webhook.test \(own.id)"])
        #expect(try seen(labs) == ["device.enrolled box-2"])
        wards.close()
        labs.close()
        try await registry.stop()
    }

    @Test("Addresses that only the registry's machine may reach are refused; the secret is in no file")
    func refusals() async throws {
        let registry = try await RegistryFixture.start()
        for url in ["http://127.0.0.1:1/", "http://169.254.169.254/latest/", "http://[::1]/", "http://localhost/"] {
            await expectProblem(422, "forbiddenAddress") {
                _ = try await registry.admin.createWebhook(WebhookRequest(url: url))
            }
        }
        await expectProblem(422, "badWebhookURL") {
            _ = try await registry.admin.createWebhook(WebhookRequest(url: "gopher://x/"))
        }
        await expectProblem(404, "unknownFleet") {
            _ = try await registry.admin.createWebhook(
                WebhookRequest(url: "http://10.0.0.1/", fleets: [try FleetName("none")]))
        }
        // Nothing is sent before something happens that it asks for.
        let webhook = try await registry.admin.createWebhook(
            WebhookRequest(url: "http://10.0.0.1/secret-path", events: try EventFilter("registry.restored")))
        let secret = try #require(webhook.secret)
        let raw = Array(try #require(Data(base64Encoded: String(secret.dropFirst(6)))))
        let data = registry.folder.file("data")
        for file in try FileManager.default.subpathsOfDirectory(atPath: data) {
            guard let bytes = FileManager.default.contents(atPath: data + "/" + file) else { continue }
            #expect(bytes.range(of: Data(secret.dropFirst(6).utf8)) == nil, "\(file)")
            #expect(bytes.range(of: Data(raw)) == nil, "\(file)")
        }
        let audit = String(decoding: try JSONText.encode(try await registry.admin.audit()), as: UTF8.self)
        #expect(audit.contains("webhook.create") && !audit.contains("secret-path"))
        try await registry.stop()
    }
}

/// A fact that comes true once.
final class Flag: @unchecked Sendable {
    // Guard: the lock.
    private let lock = NSLock()
    private var value = false
    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
