import MartletTypes
import Testing

@testable import RegistryStore

@Suite struct DeliveryStoreTests {
    private static func fixture(events: Int) async throws -> StoreFixture {
        let fixture = try await StoreFixture()
        let now = fixture.now
        try await fixture.database.write { sql in
            try WebhookStore(sql).create(EventLogTests.webhook("w-1", now))
            try WebhookStore(sql).create(EventLogTests.webhook("w-2", now))
            for number in 1...events {
                try EventLog(sql).append(.fleetChanged, subject: "f\(number)", now: now)
                try DeliveryStore(sql).add(Int64(number), to: "w-1", now: now)
                try DeliveryStore(sql).add(Int64(number), to: "w-1", now: now)
            }
        }
        return fixture
    }

    @Test("An event is on its way to a webhook once, and due until it arrived or was given up")
    func due() async throws {
        let fixture = try await Self.fixture(events: 3)
        let now = fixture.now
        func due(at moment: Timestamp) async throws -> [Int64] {
            try await fixture.database.read { try DeliveryStore($0).due("w-1", now: moment, limit: 10).map(\.number) }
        }
        #expect(try await due(at: now) == [1, 2, 3])
        try await fixture.database.write { sql in
            let deliveries = DeliveryStore(sql)
            try deliveries.note(1, state: .delivered, nextAttempt: now, status: 204, error: nil, now: now)
            try deliveries.note(
                2, state: .pending, nextAttempt: now + .seconds(5), status: 500, error: "the endpoint answered 500",
                now: now)
            try deliveries.note(3, state: .dead, nextAttempt: now, status: nil, error: "no answer", now: now)
        }
        #expect(try await due(at: now).isEmpty)
        #expect(try await due(at: now + .seconds(5)) == [2])
        let dead = try await fixture.database.read { try DeliveryStore($0).list("w-1", state: .dead) }
        #expect(dead.map(\.number) == [3] && dead[0].error == "no answer" && dead[0].event.subject == "f3")
        #expect(try await fixture.database.write { try DeliveryStore($0).replay(3, now: now) })
        #expect(try await due(at: now) == [3], "sent again from the first attempt")
        #expect(try await fixture.database.write { try DeliveryStore($0).delete(3) })
        #expect(try await !fixture.database.write { try DeliveryStore($0).delete(3) })
        #expect(try await due(at: now).isEmpty)
    }

    @Test("An endpoint that rests or is disabled gets nothing, and no other waits for it")
    func rest() async throws {
        let fixture = try await Self.fixture(events: 1)
        let now = fixture.now
        func due(_ moment: Timestamp) async throws -> [String] {
            try await fixture.database.read { try DeliveryStore($0).due(now: moment) }
        }
        try await fixture.database.write { try DeliveryStore($0).add(1, to: "w-2", now: now + .seconds(1)) }
        #expect(try await due(now + .seconds(1)) == ["w-1", "w-2"])
        let since = try await fixture.database.write { sql in
            _ = try WebhookStore(sql).noteFailure("w-1", restUntil: now + .seconds(10), now: now)
            return try WebhookStore(sql).noteFailure("w-1", restUntil: now + .seconds(10), now: now + .seconds(9))
        }
        #expect(since == now, "since the first failure")
        #expect(try await due(now + .seconds(9)) == ["w-2"])
        #expect(try await due(now + .seconds(10)) == ["w-1", "w-2"])
        try await fixture.database.write { try WebhookStore($0).disable("w-1", reason: "410") }
        #expect(try await due(now + .seconds(10)) == ["w-2"])
        let row = try await fixture.database.read { try WebhookStore($0).find("w-1") }
        #expect(row?.isEnabled == false && row?.disabledReason == "410" && row?.failures == 2)
        try await fixture.database.write { try WebhookStore($0).enable("w-1") }
        #expect(try await due(now) == ["w-1"])
    }

    @Test("What arrived and what was given up are forgotten in their time; a webhook takes its deliveries along")
    func forgetting() async throws {
        let fixture = try await Self.fixture(events: 3)
        let now = fixture.now
        try await fixture.database.write { sql in
            let deliveries = DeliveryStore(sql)
            try deliveries.note(1, state: .delivered, nextAttempt: now, status: 200, error: nil, now: now)
            try deliveries.note(2, state: .dead, nextAttempt: now, status: 500, error: "x", now: now)
            try deliveries.prune(delivered: now + .seconds(1), dead: now)
        }
        func numbers() async throws -> [Int64] {
            try await fixture.database.read { try DeliveryStore($0).list().map(\.number) }
        }
        #expect(try await numbers() == [3, 2])
        try await fixture.database.write { try DeliveryStore($0).prune(delivered: now, dead: now + .seconds(1)) }
        #expect(try await numbers() == [3], "what waits is kept")
        #expect(try await fixture.database.write { try WebhookStore($0).delete("w-1") })
        #expect(try await numbers().isEmpty)
    }

    @Test("A secret that was replaced signs until its end")
    func secrets() async throws {
        let fixture = try await Self.fixture(events: 1)
        let now = fixture.now
        let row = try await fixture.database.write { sql in
            var row = try #require(try WebhookStore(sql).find("w-1"))
            row.secrets = [.init(number: 2), .init(number: 1, until: now + .seconds(5))]
            try WebhookStore(sql).update(row)
            return try #require(try WebhookStore(sql).find("w-1"))
        }
        #expect(row.secrets(at: now).map(\.number) == [2, 1])
        #expect(row.secrets(at: now + .seconds(5)).map(\.number) == [2])
    }
}
