import MartletTypes
import RegistryStore
import Testing

@testable import RegistryServer

/// What webhooks decide without a network: addresses, retries.
@Suite struct WebhookRuleTests {
    @Test(
        "An address is public, private, this machine, or never sent to",
        arguments: [
            ("8.8.8.8", WebhookNetwork.public), ("2606:4700::1111", .public), ("10.1.2.3", .private),
            ("172.31.0.1", .private), ("172.32.0.1", .public), ("192.168.7.7", .private), ("100.64.0.1", .private),
            ("fd12:3456::1", .private), ("127.0.0.1", .loopback), ("127.255.0.9", .loopback), ("::1", .loopback),
            ("::ffff:127.0.0.1", .loopback), ("::ffff:10.0.0.1", .private), ("64:ff9b::10.0.0.1", .private),
            ("2002:7f00:1::1", .loopback),
            ("169.254.169.254", nil), ("169.254.0.1", nil), ("fe80::1", nil), ("::ffff:169.254.169.254", nil),
            ("64:ff9b::a9fe:a9fe", nil), ("100.100.100.200", nil), ("168.63.129.16", nil), ("fd00:ec2::254", nil),
            ("0.0.0.0", nil), ("::", nil), ("::127.0.0.1", nil), ("224.0.0.1", nil), ("255.255.255.255", nil),
            ("ff02::1", nil), ("192.0.2.1", nil), ("2001:db8::1", nil), ("fec0::1", nil),
        ] as [(String, WebhookNetwork?)])
    func networks(text: String, network: WebhookNetwork?) throws {
        let address = try #require(NetworkAddress(text))
        #expect(address.network == network)
        #expect(NetworkAddress(address.description) == address, "what it is written as is the same address")
    }

    @Test(
        "Whatever a host is written as, it is judged by its address",
        arguments: ["localhost", "127.1", "0x7f.1", "[::1]"])
    func disguises(host: String) async throws {
        let target = try WebhookTarget("http://\(host)/x")
        await #expect(throws: ServerError(422, "forbiddenAddress", "", field: "/url")) {
            try await target.addresses(within: .private)
        }
        #expect(try await !target.addresses(within: .loopback).isEmpty)
    }

    @Test("Link-local addresses are refused wherever endpoints may be")
    func linkLocal() async throws {
        for host in ["169.254.169.254", "[fe80::1]", "[::ffff:a9fe:a9fe]", "0"] {
            let target = try WebhookTarget("http://\(host)/latest/meta-data")
            await #expect(throws: ServerError.self, "\(host)") { try await target.addresses(within: .loopback) }
        }
    }

    @Test(
        "What is no address of an endpoint is refused",
        arguments: [
            "", "hooks.example", "ftp://hooks.example/", "file:///etc/passwd", "http+unix://%2Frun%2Fx/", "http://",
            "https://user:secret@hooks.example/", "https://hooks.example/#part", "https://hooks.example/ä",
            "https://hooks.example/a b", "https://[fe80::1%25eth0]/",
            "https://x/" + String(repeating: "a", count: 2048),
        ])
    func badURLs(url: String) {
        #expect(throws: ServerError(422, "badWebhookURL", "", field: "/url")) { try WebhookTarget(url) }
    }

    private static let now = Timestamp(seconds: 1_700_000_000)

    private func decide(
        _ outcome: WebhookOutcome, attempts: Int64 = 0, failures: Int64 = 0, random: Double = 0.5
    ) -> WebhookRetry.Decision {
        WebhookRetry(configuration: .init()).decision(
            outcome, attempts: attempts, failures: failures, random: random, now: Self.now)
    }

    @Test("Pauses grow threefold to twelve hours and spread over a fifth, fifteen attempts over about three days")
    func pauses() {
        let retry = WebhookRetry(configuration: .init())
        let seconds = (1...14).map { retry.pause(after: $0, random: 0.5).components.seconds }
        #expect(seconds == [5, 15, 45, 135, 405, 1215, 3645, 10935, 32805, 43200, 43200, 43200, 43200, 43200])
        #expect((70...76).contains(seconds.reduce(0, +) / 3600))
        #expect(retry.pause(after: 3, random: 0) == .seconds(36) && retry.pause(after: 3, random: 1) == .seconds(54))
        #expect(retry.pause(after: 1000, random: 0.5) == .seconds(43200))
        #expect(retry.pause(after: 1, random: 7) == retry.pause(after: 1, random: 1))
    }

    @Test("An attempt ends in what its answer says")
    func outcomes() {
        #expect(decide(.accepted(204)).state == .delivered && decide(.accepted(204)).restUntil == nil)
        let refused = decide(.refused(500, retryAfter: nil))
        #expect(refused.state == .pending && refused.nextAttempt == Self.now + .seconds(5) && refused.status == 500)
        let asked = decide(.refused(429, retryAfter: .seconds(120)))
        #expect(asked.nextAttempt == Self.now + .seconds(120) && asked.restUntil == Self.now + .seconds(120))
        #expect(decide(.refused(503, retryAfter: .seconds(1 << 40))).nextAttempt == Self.now + .seconds(3600))
        #expect(decide(.refused(503, retryAfter: .seconds(-5))).nextAttempt == Self.now + .seconds(5))
        #expect(decide(.refused(302, retryAfter: nil)).error?.contains("not followed") == true)
        let gone = decide(.gone)
        #expect(gone.state == .dead && gone.disables != nil)
        #expect(decide(.failed("x"), attempts: 13).state == .pending)
        #expect(decide(.failed("x"), attempts: 14).state == .dead)
    }

    @Test("An endpoint that fails rests longer each time, at most five minutes")
    func rests() {
        #expect(decide(.failed("x"), failures: 0).restUntil == Self.now + .seconds(5))
        #expect(decide(.failed("x"), failures: 2).restUntil == Self.now + .seconds(45))
        #expect(decide(.failed("x"), failures: 1 << 40).restUntil == Self.now + .seconds(300))
    }

    @Test("A setting that cannot be meant keeps the registry from starting")
    func configuration() {
        for attempts: Int64 in [0, -1, 101] {
            var configuration = WebhookConfiguration()
            configuration.attempts = attempts
            #expect(throws: ServerError.self) { try configuration.validate() }
        }
        var configuration = WebhookConfiguration()
        configuration.firstPause = .seconds(86_400)
        #expect(throws: ServerError.self) { try configuration.validate() }
    }
}
