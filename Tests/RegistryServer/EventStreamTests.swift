import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization
import TestSupport
import Testing

@testable import RegistryServer

/// The stream of events over a real connection.
@Suite struct EventStreamTests {
    /// A stream that somebody reads.
    final class Reader: Sendable {
        private let events = Mutex<[StreamedEvent]>([])
        private let task = Mutex<Task<Void, any Error>?>(nil)
        let client: OperatorClient

        init(
            _ registry: RegistryFixture, token: String? = nil, _ filter: EventFilter = .everything,
            after: String? = nil, last: Int = 0
        ) throws {
            client = OperatorClient(http: try registry.client(token: token ?? registry.adminToken))
            let client = client
            let reading = Task {
                try await client.followEvents(filter, after: after, last: last) { event in
                    self.events.withLock { $0.append(event) }
                }
            }
            task.withLock { $0 = reading }
        }

        /// What came, without where the stream stands.
        var seen: [StreamedEvent] { events.withLock { $0 }.filter { $0.type != StreamedEvent.position } }
        var lines: [String] {
            get throws {
                try seen.map { event in
                    guard event.type != EventStreamWords.gap else { return event.type }
                    let record = try JSONText.decode(EventRecord.self, from: Array(event.data.utf8))
                    return "\(event.type) \(record.subject)"
                }
            }
        }
        var isOpen: Bool { !events.withLock { $0 }.isEmpty }

        /// Waits until the registry ends the stream.
        func end() async throws { try await task.withLock { $0 }?.value }

        func stop() async {
            task.withLock { $0 }?.cancel()
            await client.api.http.close()
        }
    }

    @Test("Events come as they happen, and a stream goes on after the last that was seen")
    func following() async throws {
        let registry = try await RegistryFixture.start()
        try await WebhookTests.happen(registry, "a")
        let reader = try Reader(registry)
        try await eventually(within: 30, "it is open") { reader.isOpen }
        try await WebhookTests.happen(registry, "b")
        try await eventually(within: 30, "it comes") { reader.seen.count == 1 }
        #expect(try reader.lines == ["fleet.changed b"])
        await reader.stop()
        try await WebhookTests.happen(registry, "c")
        let last = try #require(reader.seen.last?.id)
        let second = try Reader(registry, after: last)
        try await eventually(within: 30, "what was missed comes") { second.seen.count == 1 }
        #expect(try second.lines == ["fleet.changed c"])
        await second.stop()
        let third = try Reader(registry, try EventFilter("fleet.*"), last: 100)
        try await eventually(within: 30, "what is kept comes") { third.seen.count == 3 }
        #expect(try third.lines == ["fleet.changed a", "fleet.changed b", "fleet.changed c"])
        #expect(Set(third.seen.map(\.id)).count == 3)
        await third.stop()
        try await registry.stop()
    }

    @Test("An identifier that is not known is answered with a gap and all that is kept")
    func gaps() async throws {
        let registry = try await RegistryFixture.start()
        try await WebhookTests.happen(registry, "a")
        let reader = try Reader(registry, try EventFilter("fleet.*"), after: "evt_0")
        try await eventually(within: 30, "it comes") { reader.seen.count == 2 }
        #expect(try reader.lines == [EventStreamWords.gap, "fleet.changed a"])
        await reader.stop()
        await expectProblem(400, "invalidValue") {
            let reply = try await registry.call(.get, "/api/v1/events?type=fleets")
            throw ClientError(answer: reply, subject: "events")
        }
        try await registry.stop()
    }

    @Test("A limited token is told of its own devices only; a token that is revoked ends its streams")
    func limits() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        for site in ["berlin", "paris"] { try await WebhookTests.happen(registry, site, site: site) }
        let token = try await registry.admin.createToken(
            TokenRequest(name: "paris", role: .viewer, fleets: [try FleetName("paris")]))
        let reader = try Reader(registry, token: token.secret, last: 100)
        try await eventually(within: 30, "it is open") { reader.isOpen }
        _ = try await SimulatedDevice("box-1", at: registry, labels: ["site": "berlin"])
        _ = try await SimulatedDevice("box-2", at: registry, labels: ["site": "paris"])
        _ = try await registry.admin.createToken(TokenRequest(name: "ann", role: .viewer))
        try await eventually(within: 30, "its own come") { reader.seen.count == 2 }
        #expect(try reader.lines == ["fleet.changed paris", "device.enrolled box-2"])
        try await registry.admin.deleteToken(token.id)
        try await reader.end()
        #expect(try reader.lines.count == 2, "not even that it was revoked")
        await reader.stop()
        try await registry.stop()
    }

    @Test("A registry that stops ends its streams, so that it does not wait for them")
    func shutdown() async throws {
        let registry = try await RegistryFixture.start()
        let reader = try Reader(registry)
        try await eventually(within: 30, "it is open") { reader.isOpen }
        try await registry.stop()
        _ = try? await reader.end()
        await reader.stop()
    }

    @Test("The list has the same events in pages, newest first")
    func list() async throws {
        let registry = try await RegistryFixture.start()
        for name in ["a", "b", "c"] { try await WebhookTests.happen(registry, name) }
        let page = try await registry.admin.api.get(
            OperatorRoutes.events, query: ["limit": "2", "type": "fleet.changed"], as: Page<EventRecord>.self)
        #expect(page.items.map(\.subject) == ["c", "b"])
        let next = try #require(page.next)
        let rest = try await registry.admin.api.get(
            OperatorRoutes.events, query: ["limit": "2", "type": "fleet.changed", "cursor": next],
            as: Page<EventRecord>.self)
        #expect(rest.items.map(\.subject) == ["a"] && rest.next == nil)
        try await registry.stop()
    }
}
