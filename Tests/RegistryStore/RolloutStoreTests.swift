import MartletTypes
import RolloutEngine
import Testing

@testable import RegistryStore

@Suite("Rollouts in the database")
struct RolloutStoreTests {
    private func row(_ fixture: StoreFixture, _ id: String, devices: Int, seconds: Int64 = 0) throws -> RolloutRow {
        let run = RolloutRun(
            id: try RolloutID(id), target: [try ReleasePath("a/b/1.0.0")],
            policy: RolloutPolicy(waves: [.count(1)]), members: try (0..<devices).map { try DeviceID("pi-\($0)") },
            seed: "s", now: fixture.now + .seconds(seconds))
        return RolloutRow(
            slot: try SlotName("s"), fleet: try FleetName("all"), selector: try LabelSelector("a=b"),
            settings: SlotSettings(threads: 2), createdBy: "ann", run: run)
    }

    private func create(_ fixture: StoreFixture, _ row: RolloutRow) async throws -> RolloutRow {
        try await fixture.database.write { sql in
            var row = row
            try RolloutStore(sql).create(&row)
            return row
        }
    }

    private func find(_ fixture: StoreFixture, _ id: String) async throws -> RolloutRow? {
        let id = try RolloutID(id)
        return try await fixture.database.read { try RolloutStore($0).find(id) }
    }

    @Test("come back as they were, at every step")
    func roundTrip() async throws {
        let fixture = try await StoreFixture()
        var row = try await create(fixture, row(fixture, "r-1", devices: 4))
        for event in [RolloutEvent.start(by: "ann"), .tick, .pause(by: "bob", reason: "x")] {
            row = try await fixture.database.write { [row] sql in
                var row = row
                for case .record(let decision) in row.run.handle(event, now: fixture.now) {
                    try RolloutStore(sql).append(decision, to: row.id)
                }
                try RolloutStore(sql).save(&row, now: fixture.now)
                return row
            }
            let kept = try #require(try await find(fixture, "r-1"))
            #expect(kept.run == row.run)
            #expect(kept.version == row.version)
            #expect(kept.settings == row.settings)
            #expect(kept.fleet == row.fleet)
        }
        let id = row.id
        let decisions = try await fixture.database.read { try RolloutStore($0).decisions(id).map(\.action) }
        #expect(decisions == [.start, .startWave, .pause])
        let counts = try await fixture.database.read { try RolloutStore($0).counts(id) }
        #expect(counts == [.offered: 1, .pending: 3])
    }

    @Test("refuse the write of a replica that was overtaken")
    func fencing() async throws {
        let fixture = try await StoreFixture()
        let row = try await create(fixture, row(fixture, "r-1", devices: 1))
        func save() async -> StoreError.Code? {
            await code {
                try await fixture.database.write { sql in
                    var copy = row
                    try RolloutStore(sql).save(&copy, now: fixture.now)
                }
            }
        }
        #expect(await save() == nil)
        #expect(await save() == .versionConflict)
    }

    @Test("remember what each slot was to run before, once, and tell nothing from an empty slot")
    func previous() async throws {
        let fixture = try await StoreFixture()
        let row = try await create(fixture, row(fixture, "r-1", devices: 3))
        let before = DesiredSlot(releases: [try ReleasePath("a/b/0.9.0")], generation: 4)
        let own = DesiredSlot(releases: [try ReleasePath("a/b/1.0.0")], rollout: row.id, generation: 5)
        let devices = row.run.members.map(\.device)
        try await fixture.database.write {
            let store = RolloutStore($0)
            try store.recordPrevious(row.id, devices[0], before)
            try store.recordPrevious(row.id, devices[0], own)
            try store.recordPrevious(row.id, devices[0], nil)
            try store.recordPrevious(row.id, devices[1], nil)
        }
        let found = try await fixture.database.read { sql in
            try devices.map { try RolloutStore(sql).previous(row.id, $0) }
        }
        #expect(found == [.slot(before), .empty, .unrecorded])
    }

    @Test("are listed newest first, page by page; open ones by slot and device")
    func listing() async throws {
        let fixture = try await StoreFixture()
        for number in 1...5 {
            _ = try await create(fixture, row(fixture, "r-\(number)", devices: number, seconds: Int64(number / 2)))
        }
        var found: [String] = []
        var last: RolloutID?
        while true {
            let page = try await fixture.database.read { [last] sql in
                try RolloutStore(sql).list(before: last, limit: 2).map { ($0.rollout.id, $0.counts[.pending]) }
            }
            guard let end = page.last else { break }
            found += page.map { "\($0.0) \($0.1 ?? 0)" }
            last = end.0
        }
        #expect(found == ["r-5 5", "r-4 4", "r-3 3", "r-2 2", "r-1 1"])
        let device = try DeviceID("pi-3")
        let slot = try SlotName("s")
        let open = try await fixture.database.read { try RolloutStore($0).open(slot: slot, device: device).map(\.text) }
        #expect(open == ["r-4", "r-5"])
        try await fixture.database.write { sql in
            guard var row = try RolloutStore(sql).find(RolloutID("r-5")) else { return }
            _ = row.run.handle(.abort(by: "ann", reason: ""), now: fixture.now)
            try RolloutStore(sql).save(&row, now: fixture.now)
        }
        #expect(
            try await fixture.database.read { try RolloutStore($0).open().map(\.text) } == ["r-1", "r-2", "r-3", "r-4"])
    }
}

@Suite("Fleets")
struct FleetStoreTests {
    @Test("are kept by name, changed and removed")
    func fleets() async throws {
        let fixture = try await StoreFixture()
        let fleet = FleetRow(name: try FleetName("all"), selector: try LabelSelector(""))
        let changed = FleetRow(name: fleet.name, selector: try LabelSelector("site in (a,b)"))
        try await fixture.database.write { try FleetStore($0).put(fleet, now: fixture.now) }
        #expect(try await fixture.database.read { try FleetStore($0).find(fleet.name) } == fleet)
        try await fixture.database.write { try FleetStore($0).put(changed, now: fixture.now) }
        #expect(try await fixture.database.read { try FleetStore($0).list() } == [changed])
        #expect(try await fixture.database.write { try FleetStore($0).delete(fleet.name) })
        #expect(try await !fixture.database.write { try FleetStore($0).delete(fleet.name) })
    }
}
