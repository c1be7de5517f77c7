import MartletTypes
import Testing

@testable import RegistryStore

@Suite("Pins and holds in the database")
struct ExemptionStoreTests {
    private func row(
        _ device: DeviceID, _ slot: String?, _ fixture: StoreFixture, seconds: Int64? = nil, reason: String = "trial"
    ) throws -> ExemptionRow {
        ExemptionRow(
            device: device, slot: try slot.map { try SlotName($0) }, reason: reason, actor: "ann", since: fixture.now,
            expires: seconds.map { fixture.now + .seconds($0) })
    }

    @Test("are found by device and by slot, a hold before a pin, and end when they were told to")
    func reading() async throws {
        let fixture = try await StoreFixture()
        let one = try await fixture.enrol("pi-1")
        let two = try await fixture.enrol("pi-2")
        let slot = try SlotName("triage")
        let rows = [
            try row(one, "triage", fixture), try row(one, nil, fixture, seconds: 60), try row(two, "billing", fixture),
        ]
        try await fixture.database.write { sql in for row in rows { try ExemptionStore(sql).put(row) } }
        func found(_ seconds: Int64) async throws -> [DeviceID: ExemptionRow] {
            try await fixture.database.read {
                try ExemptionStore($0).list(slot: slot, now: fixture.now + .seconds(seconds))
            }
        }
        #expect(try await found(0) == [one: rows[1]])
        #expect(try await found(60) == [one: rows[0]])
        let own = try await fixture.database.read { try ExemptionStore($0).list(one, now: fixture.now) }
        #expect(own == [rows[1], rows[0]])
        let pins = try await fixture.database.read { try ExemptionStore($0).pins(slot: slot, now: fixture.now) }
        #expect(pins == [one: rows[0]])
        #expect(try await !fixture.database.read { try ExemptionStore($0).isAnyExpired(now: fixture.now) })
        let later = fixture.now + .seconds(61)
        #expect(try await fixture.database.read { try ExemptionStore($0).isAnyExpired(now: later) })
        #expect(try await fixture.database.write { try ExemptionStore($0).takeExpired(now: later) } == [rows[1]])
        #expect(try await fixture.database.write { try ExemptionStore($0).takeExpired(now: later) } == [])
    }

    @Test("are replaced by a newer one, lifted once, and go with their device")
    func writing() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let slot = try SlotName("triage")
        let first = try row(device, "triage", fixture)
        let second = try row(device, "triage", fixture, seconds: 5, reason: "another")
        try await fixture.database.write { try ExemptionStore($0).put(first) }
        try await fixture.database.write { try ExemptionStore($0).put(second) }
        #expect(try await fixture.database.read { try ExemptionStore($0).list(device, now: fixture.now) } == [second])
        #expect(try await !fixture.database.write { try ExemptionStore($0).remove(device, nil) })
        #expect(try await fixture.database.write { try ExemptionStore($0).remove(device, slot) })
        #expect(try await !fixture.database.write { try ExemptionStore($0).remove(device, slot) })
        try await fixture.database.write { try ExemptionStore($0).put(first) }
        #expect(try await fixture.database.write { try DeviceStore($0).delete(device) })
        #expect(try await fixture.database.read { try ExemptionStore($0).list(device, now: fixture.now) } == [])
        let unknown = try row(try DeviceID("nobody"), nil, fixture)
        let refused = await code { try await fixture.database.write { try ExemptionStore($0).put(unknown) } }
        #expect(refused == .conflict)
    }
}

@Suite("Who came to match selectors")
struct MembershipTests {
    @Test("is told after enrolment, new labels and approval, once for each mark")
    func marks() async throws {
        let fixture = try await StoreFixture()
        let one = try await fixture.enrol("pi-1")
        let two = try await fixture.enrol("pi-2")
        func changed(_ mark: Int64) async throws -> (names: [String], mark: Int64) {
            try await fixture.database.read {
                let (devices, mark) = try DeviceStore($0).members(changedSince: mark)
                return (devices.map(\.device.text), mark)
            }
        }
        let start = try await changed(0)
        #expect(start.names == ["pi-1", "pi-2"])
        #expect(try await changed(start.mark).names == [])
        let labels = try Labels(["site": "berlin"])
        try await fixture.database.write { try DeviceStore($0).setLabels(two, labels) }
        let labelled = try await changed(start.mark)
        #expect(labelled.names == ["pi-2"])
        try await fixture.database.write { try DeviceStore($0).setState(one, .held, reason: "x") }
        #expect(try await changed(labelled.mark).names == [])
        try await fixture.database.write { try DeviceStore($0).setState(one, .active, reason: nil) }
        #expect(try await changed(labelled.mark).names == ["pi-1"])
    }
}
