import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Events and webhooks by the real programs; signatures are checked by the reference library of Standard Webhooks.
@Suite("Webhooks and events", .serialized)
struct WebhookTests {
    /// A Python with the library; where this machine cannot have one the test ends with the reason.
    private func python() async throws -> String? {
        let made = try await run("/bin/bash", [Checkout.fixture("webhooks/python-env.sh")])
        guard made.status == 0 else {
            print("skipped: standardwebhooks is not available: \(made.errors)")
            #if compiler(>=6.3)
                try Test.cancel("standardwebhooks is not available: \(made.errors)")
            #else
                return nil
            #endif
        }
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static let options = ["--webhook-network", "loopback", "--webhook-first-pause", "1s"]

    private func site(_ name: String) async throws -> Site {
        let site = try Site(name)
        try await site.startRegistry(Self.options)
        try await site.martlet("login", site.operatorAddress, "--token-file", site.folder.file("admin.token"))
        return site
    }

    /// Adds a webhook for changes of fleets and returns it with its secret.
    private func add(_ site: Site, _ url: String) async throws -> WebhookInfo {
        try await site.json(WebhookInfo.self, "webhooks", "add", url, "--event", "fleet.*")
    }

    private func write(_ requests: [WebhookReceiver.Request], in site: Site, _ name: String) throws -> [String] {
        try requests.enumerated().map { index, request in
            let file = site.folder.file("\(name)-\(index).json")
            let document: [String: Any] = ["headers": request.fields, "body": request.text]
            try JSONSerialization.data(withJSONObject: document).write(to: URL(fileURLWithPath: file))
            return file
        }
    }

    @Test("A receiver verifies what it gets with the reference library, also while the secret is rotated")
    func verification() async throws {
        guard let python = try await python() else { return }
        let site = try await site("webhook")
        let receiver = try WebhookReceiver()
        let webhook = try await add(site, receiver.url)
        let secret = try #require(webhook.secret)
        try await site.martlet("webhooks", "test", webhook.id)
        try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
        try await eventually(within: 60, "both arrive") { receiver.requests.count == 2 }
        let new = try await site.json(WebhookInfo.self, "webhooks", "rotate-secret", webhook.id, "--overlap", "1h")
        try await site.martlet("fleets", "set", "labs", "--selector", "site=paris")
        try await eventually(within: 60, "it arrives") { receiver.requests.count == 3 }

        let script = Checkout.fixture("webhooks/verify.py")
        let requests = receiver.requests
        let files = try write(requests, in: site, "request")
        let accepted = try await run(python, [script, secret] + files)
        #expect(accepted.status == 0, "\(accepted.output) \(accepted.errors)")
        #expect(accepted.output.split(separator: "\n").map(String.init) == requests.map(\.id))
        let last = try await run(python, [script, try #require(new.secret), files[2]])
        #expect(last.status == 0, "the new secret signs too: \(last.output) \(last.errors)")
        let early = try await run(python, [script, try #require(new.secret), files[1]])
        #expect(early.status == 1, "and signed nothing before it was")
        let forged = WebhookReceiver.Request(
            target: "/", fields: requests[1].fields,
            body: Array(requests[1].text.replacing("wards", with: "words").utf8))
        let refused = try await run(python, [script, secret] + write([forged], in: site, "forged"))
        #expect(refused.status == 1, "a changed body is refused")

        let shown = try await site.martlet("webhooks", "show", webhook.id).output
        #expect(!shown.contains("whsec_") && shown.contains(receiver.url))
        #expect(!site.registryLog.contains("whsec_"))
        receiver.close()
        try await site.stopRegistry()
    }

    @Test("A registry that is killed loses no event, and sends one that was on its way again with the same identifier")
    func killed() async throws {
        let site = try await site("webhook-kill")
        let port = try freePort()
        _ = try await add(site, "http://127.0.0.1:\(port)/hook")
        // Nobody listens: what was committed waits.
        try await site.martlet("fleets", "set", "one", "--selector", "site=berlin")
        try await site.killRegistry()
        let silent = try WebhookReceiver(port: port) { _, _ in .silence }
        try await site.startRegistry(Self.options)
        try await eventually(within: 60, "it is on its way") { !silent.requests.isEmpty }
        let first = silent.requests[0]
        #expect(first.text.contains("fleet.changed") && first.text.contains("\"one\""))
        // Killed between the request and what came of it.
        try await site.killRegistry()
        silent.close()
        let receiver = try WebhookReceiver(port: port)
        try await site.startRegistry(Self.options)
        try await eventually(within: 60, "it comes again") { !receiver.requests.isEmpty }
        #expect(receiver.requests[0].id == first.id && receiver.requests[0].body == first.body)
        let deliveries = try await site.json([WebhookDelivery].self, "webhooks", "deliveries")
        #expect(deliveries.count == 1, "one delivery, however often it was sent")
        receiver.close()
        try await site.stopRegistry()
    }

    @Test("Dead deliveries are listed, sent again and thrown away from the command line")
    func deadLetters() async throws {
        let site = try Site("webhook-dead")
        try await site.startRegistry(Self.options + ["--webhook-attempts", "1"])
        try await site.martlet("login", site.operatorAddress, "--token-file", site.folder.file("admin.token"))
        let port = try freePort()
        let id = try await add(site, "http://127.0.0.1:\(port)/hook").id
        for name in ["one", "two"] { try await site.martlet("fleets", "set", name, "--selector", "site=berlin") }
        try await eventually(within: 60, "both are given up") {
            try await site.json([WebhookDelivery].self, "webhooks", "deliveries", "--dead").count == 2
        }
        let dead = try await site.json([WebhookDelivery].self, "webhooks", "deliveries", "--dead")
        let failed = try await site.martlet("webhooks", "test", id, expecting: 1)
        #expect(failed.output.contains("did not take"))
        let receiver = try WebhookReceiver(port: port)
        try await site.martlet("webhooks", "replay", String(dead[0].number))
        try await eventually(within: 60, "it arrives") { receiver.requests.map(\.id) == [dead[0].event.id] }
        try await site.martlet("webhooks", "discard", String(dead[1].number))
        try await site.martlet("webhooks", "replay", "--dead", id)
        try await eventually(within: 60, "the failed test arrives") { receiver.requests.count == 2 }
        #expect(try await site.martlet("webhooks", "deliveries", "--dead").output.contains("nothing was given up"))
        try await site.martlet("webhooks", "disable", id)
        #expect(try await site.martlet("webhooks", "list").output.contains("disabled by admin"))
        try await site.martlet("webhooks", "enable", id)
        try await site.martlet("webhooks", "delete", id)
        try await site.martlet("webhooks", "show", id, expecting: 65)
        receiver.close()
        try await site.stopRegistry()
    }

    @Test("`martlet events --follow` shows what happens, over a restart of the registry")
    func following() async throws {
        let site = try await site("events")
        try await site.martlet("fleets", "set", "one", "--selector", "site=berlin")
        let log = site.folder.file("events.log")
        let follower = try RunningProcess(
            Checkout.product("martlet"), ["events", "--follow", "--type", "fleet.*", "--output", "json"],
            environment: site.operatorEnvironment, log: log)
        @Sendable func subjects() throws -> [String] {
            follower.output.split(separator: "\n").filter { $0.hasPrefix("{") }
                .compactMap { try? JSONText.decode(EventRecord.self, from: Array($0.utf8)).subject }
        }
        try await eventually(within: 60, "what was is shown") { try subjects() == ["one"] }
        try await site.martlet("fleets", "set", "two", "--selector", "site=berlin")
        try await eventually(within: 60, "what happens is shown") { try subjects() == ["one", "two"] }
        try await site.killRegistry()
        try await site.startRegistry(Self.options)
        try await site.martlet("fleets", "set", "three", "--selector", "site=berlin")
        try await eventually(within: 120, "it goes on") { try subjects() == ["one", "two", "three"] }
        _ = try await follower.stop()
        let list = try await site.martlet("events", "--limit", "2").output.split(separator: "\n")
        #expect(list.count == 2 && list[1].contains("fleet.changed  three"))
        try await site.martlet("events", "--type", "rollout.pasued", expecting: 65)
        try await site.stopRegistry()
    }
}
