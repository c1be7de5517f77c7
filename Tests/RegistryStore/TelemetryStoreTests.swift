import MartletTypes
import Telemetry
import Testing

@testable import RegistryStore

@Suite("Telemetry in the database")
struct TelemetryStoreTests {
    private func rollup(_ slot: String?, minute: Int64, requests: Int64, milliseconds: [Double] = []) throws
        -> TelemetryRollup
    {
        let slot = try slot.map { try SlotName($0) }
        var rollup = TelemetryRollup(
            key: TelemetryRollup.Key(slot: slot, generation: 1, minute: Timestamp(seconds: minute * 60 + 7)))
        rollup.requests = requests
        for value in milliseconds { rollup.duration.record(value / 1000) }
        if slot != nil {
            rollup.timePerOutputToken.record(0.05)
            rollup.crashes = 1
        }
        rollup.release = slot == nil ? nil : "a/b/1.0.0"
        rollup.cpuPercent = slot == nil ? 12.5 : nil
        rollup.memoryUsed = slot == nil ? ByteCount(1 << 40) : nil
        return rollup
    }

    private func add(
        _ fixture: StoreFixture, _ device: DeviceID, _ rows: [TelemetryRollup], _ sequence: Int64
    ) async throws -> Bool {
        let journal = try StoreFixture.journal("a")
        return try await fixture.database.write {
            try TelemetryStore($0).add(rows, from: device, journal, sequence: sequence)
        }
    }

    @Test("is taken once, and minutes that come in parts are put together")
    func merging() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let first = try rollup("s", minute: 5, requests: 2, milliseconds: [10, 20])
        let second = try rollup("s", minute: 5, requests: 1, milliseconds: [500])
        let box = try rollup(nil, minute: 5, requests: 0)
        #expect(try await add(fixture, device, [first, box], 1))
        #expect(try await add(fixture, device, [second], 2))
        #expect(try await !add(fixture, device, [second], 2))
        #expect(try await !add(fixture, device, [first], 1))
        let minutes = try await fixture.database.read {
            try TelemetryStore($0).minutes(from: Timestamp(seconds: 0), to: Timestamp(seconds: 900))
        }
        var expected = first
        expected.merge(second)
        #expect(minutes.map(\.rollup) == [box, expected])
        #expect(minutes.last?.rollup.requests == 3)
        #expect(minutes.last?.rollup.duration.count == 3)
        #expect(minutes.last?.rollup.timePerOutputToken.count == 2 && minutes.last?.rollup.crashes == 2)
    }

    @Test("is read by device, slot and time, and forgotten when it is old")
    func reading() async throws {
        let fixture = try await StoreFixture()
        let one = try await fixture.enrol("pi-1")
        let two = try await fixture.enrol("pi-2")
        for (device, sequence) in [(one, 1), (two, 1)] as [(DeviceID, Int64)] {
            let rows = try (0..<4).flatMap { minute in
                try [rollup("s", minute: minute, requests: 1), rollup("t", minute: minute, requests: 1)]
            }
            #expect(try await add(fixture, device, rows, sequence))
        }
        let slot = try SlotName("s")
        func count(_ device: DeviceID?, _ slot: SlotName?, _ from: Int64) async throws -> Int {
            try await fixture.database.read {
                try TelemetryStore($0).minutes(
                    device: device, slot: slot, from: Timestamp(seconds: from * 60), to: Timestamp(seconds: 180)
                ).count
            }
        }
        #expect(try await count(nil, nil, 0) == 12)
        #expect(try await count(one, nil, 0) == 6)
        #expect(try await count(one, slot, 1) == 2)
        let pruned = try await fixture.database.write { try TelemetryStore($0).prune(before: Timestamp(seconds: 120)) }
        #expect(pruned == 8)
        #expect(try await count(nil, nil, 0) == 4)
    }

    @Test("from a journal that is not the device's is refused")
    func foreignJournal() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let foreign = try StoreFixture.journal("f")
        let refused = await code {
            try await fixture.database.write { try TelemetryStore($0).add([], from: device, foreign, sequence: 1) }
        }
        #expect(refused == .notFound)
    }
}
