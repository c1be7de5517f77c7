import MartletTypes
import RegistryStore
import Synchronization
import TestSupport
import Testing

@testable import RegistryServer

/// When devices were seen, on its way to the database.
@Suite("Presence")
struct PresenceTests {
    /// A database that counts its transactions, and fails them while it is told to.
    private final class CountingDatabase: Database {
        let database: any Database
        private let state = Mutex((writes: 0, isFull: false))

        init(_ database: any Database) { self.database = database }

        var writes: Int { state.withLock { $0.writes } }
        func fill(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }

        func read<Value: Sendable>(
            _ body: @escaping @Sendable (any SQLConnection) throws -> Value
        ) async throws -> Value { try await database.read(body) }

        func write<Value: Sendable>(
            _ body: @escaping @Sendable (any SQLConnection) throws -> Value
        ) async throws -> Value {
            let isFull = state.withLock { state in
                state.writes += 1
                return state.isFull
            }
            guard !isFull else { throw StoreError(.diskFull, "The disk is full.") }
            return try await database.write(body)
        }
    }

    private func seen(_ database: any Database) async throws -> Int {
        try await database.read { sql in
            try DeviceStore(sql).members(of: try LabelSelector("site=berlin")).count { $0.lastSeen != nil }
        }
    }

    @Test("What was seen is written in bounded steps, once, and again only where a device was seen again")
    func flushing() async throws {
        let count = 2 * ServerLimits.seenPerTransaction / 5 * 3
        let site = try await RolloutLeaderTests.Site(devices: count, replicas: 1)
        let database = CountingDatabase(site.database)
        let time = site.time
        let presence = Presence(clock: { time.now })
        for number in 0..<count { presence.saw(try DeviceID("box-\(number)")) }
        try await presence.flush(to: database)
        #expect(database.writes == 2)
        #expect(try await seen(database) == count)
        try await presence.flush(to: database)
        #expect(database.writes == 2, "nothing was seen since")
        time.advance(20)
        presence.saw(try DeviceID("box-7"))
        try await presence.flush(to: database)
        #expect(database.writes == 3)
    }

    @Test("What a full disk kept from being written is written later")
    func kept() async throws {
        let site = try await RolloutLeaderTests.Site(devices: 3, replicas: 1)
        let database = CountingDatabase(site.database)
        let time = site.time
        let presence = Presence(clock: { time.now })
        for number in 0..<3 { presence.saw(try DeviceID("box-\(number)")) }
        database.fill(true)
        await #expect(throws: StoreError(.diskFull, "")) { try await presence.flush(to: database) }
        database.fill(false)
        try await presence.flush(to: database)
        #expect(try await seen(database) == 3)
    }
}
