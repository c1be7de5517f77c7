import MartletTypes
import Testing

@testable import RegistryStore

@Suite("Devices")
struct DeviceStoreTests {
    @Test("enrol once; the same box may come again, another only in its place")
    func enrolment() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1", labels: ["site": "berlin"])
        try await fixture.database.write { _ = try $0.execute("DELETE FROM device_certificates", []) }
        try await fixture.enrol("pi-1", labels: ["site": "bonn"])
        #expect(await code { try await fixture.enrol("pi-1", journal: "b") } == .alreadyExists)
        try await fixture.database.write { try DeviceStore($0).revoke(device, reason: "lost", now: fixture.now) }
        // A revoked name is not free: whoever takes it over is meant to.
        for journal in ["a", "b"] {
            #expect(await code { try await fixture.enrol("pi-1", journal: journal) } == .alreadyExists)
        }
        try await fixture.enrol("pi-1", journal: "b", replaces: true)
        let row = try await fixture.database.read { try DeviceStore($0).find(device) }
        #expect(row?.state == .active)
        #expect(row?.journal == (try StoreFixture.journal("b")))
    }

    @Test("keep their assignment number through revocation and enrolment")
    func numberSurvives() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let release = try await fixture.publish("a/b/1.0.0")
        try await fixture.assign([try fixture.move(device, "s", [release])])
        try await fixture.database.write { try DeviceStore($0).revoke(device, reason: "", now: fixture.now) }
        try await fixture.enrol("pi-1", journal: "b", replaces: true)
        #expect(try await fixture.database.read { try AssignmentStore($0).number(of: device) } == 1)
    }

    @Test("are found by certificate; after revocation the certificate says since when")
    func certificates() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let second = fixture.certificate("second")
        try await fixture.database.write { try DeviceStore($0).renew(device, certificate: second) }
        for fingerprint in [fixture.certificate("pi-1-a").fingerprint, second.fingerprint] {
            let found = try await fixture.database.read { try DeviceStore($0).find(fingerprint: fingerprint) }
            #expect(found?.device.device == device)
            #expect(found?.certificate.revoked == nil)
        }
        try await fixture.database.write { try DeviceStore($0).revoke(device, reason: "lost", now: fixture.now) }
        let found = try await fixture.database.read { try DeviceStore($0).find(fingerprint: second.fingerprint) }
        #expect(found?.device.state == .revoked)
        #expect(found?.certificate.revoked == fixture.now)
        #expect(try await fixture.database.read { try DeviceStore($0).find(fingerprint: "ab") } == nil)
    }

    @Test("are held when a second journal uses the certificate")
    func clones() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let own = try StoreFixture.journal("a")
        let foreign = try StoreFixture.journal("f")
        #expect(try await fixture.database.write { try DeviceStore($0).noteJournal(device, own, now: fixture.now) })
        #expect(
            try await !fixture.database.write { try DeviceStore($0).noteJournal(device, foreign, now: fixture.now) })
        let row = try await fixture.database.read { try DeviceStore($0).find(device) }
        #expect(row?.state == .held)
        #expect(row?.stateReason?.contains("two journals") == true)
        #expect(
            await code {
                try await fixture.database.write {
                    _ = try ReportStore($0).accept(device, foreign, [], now: fixture.now)
                }
            } == .notFound)
    }

    @Test("are selected by labels, active ones only")
    func selection() async throws {
        let fixture = try await StoreFixture()
        try await fixture.enrol("pi-1", labels: ["site": "berlin"])
        try await fixture.enrol("pi-2", labels: ["site": "berlin", "tier": "lab"])
        let held = try await fixture.enrol("pi-3", labels: ["site": "berlin"])
        try await fixture.database.write { try DeviceStore($0).setState(held, .held, reason: "x") }
        let selector = try LabelSelector("site=berlin,tier!=lab")
        let found = try await fixture.database.read { try DeviceStore($0).members(of: selector) }
        #expect(found.map(\.device.text) == ["pi-1"])
    }

    @Test("are listed page by page, and counted with those that are heard of")
    func listing() async throws {
        let fixture = try await StoreFixture()
        for number in 1...5 { try await fixture.enrol("pi-\(number)") }
        let first = try await fixture.database.read { try DeviceStore($0).list(limit: 2) }
        let rest = try await fixture.database.read { try DeviceStore($0).list(after: first.last?.device, limit: 9) }
        #expect((first + rest).map(\.device.text) == ["pi-1", "pi-2", "pi-3", "pi-4", "pi-5"])
        let seen = [first[0].device: fixture.now, first[1].device: fixture.now - .seconds(100)]
        try await fixture.database.write { try DeviceStore($0).touch(seen) }
        try await fixture.database.write { try DeviceStore($0).touch([first[0].device: Timestamp(seconds: 5)]) }
        let count = try await fixture.database.read { try DeviceStore($0).count(seenSince: fixture.now - .seconds(10)) }
        #expect(count.all == 5)
        #expect(count.seen == 1)
    }

    @Test("say what they run; a slot that is not named any more runs nothing")
    func inventory() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let slot = try SlotName("triage")
        let release = try ReleasePath("a/b/1.0.0")
        let old = try ReleasePath("a/b/0.9.0")
        let reported = ReportedSlot(
            current: [release], previous: [old], generation: 3, serving: true, weights: Digest.of([1]),
            override: "pinned")
        let full = InventoryRow(
            profile: "pi5", agentVersion: "0.1.0", document: .object(["x": .integer(1)]), slots: [slot: reported])
        try await fixture.database.write { try DeviceStore($0).setInventory(device, full, now: fixture.now) }
        #expect(try await fixture.database.read { try SlotStore($0).slots(of: device)[slot]?.reported } == reported)
        #expect(try await fixture.database.read { try DeviceStore($0).inventory(device)?["x"]?.integer } == 1)
        var empty = full
        empty.slots = [:]
        try await fixture.database.write { [empty] in try DeviceStore($0).setInventory(device, empty, now: fixture.now)
        }
        let after = try await fixture.database.read { try SlotStore($0).slots(of: device)[slot]?.reported }
        #expect(after?.current == [])
        #expect(after?.serving == false)
    }

    @Test("take everything with them when they are deleted")
    func deletion() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let release = try await fixture.publish("a/b/1.0.0")
        try await fixture.assign([try fixture.move(device, "s", [release])])
        #expect(try await fixture.database.write { try DeviceStore($0).delete(device) })
        #expect(try await !fixture.database.write { try DeviceStore($0).delete(device) })
        #expect(try await fixture.database.read { try $0.query("SELECT * FROM slot_releases", []) }.isEmpty)
    }
}

@Suite("Reports")
struct ReportStoreTests {
    private func report(
        _ sequence: Int64, _ state: DeviceRolloutState?, generation: Int64 = 1, code: String? = nil,
        evaluation: EvaluationResult? = nil
    ) throws -> ReportRow {
        ReportRow(
            sequence: sequence, time: Timestamp(seconds: sequence), slot: try SlotName("s"), generation: generation,
            releases: [try ReleasePath("a/b/1.0.0")], state: state, code: code, evaluation: evaluation)
    }

    private func accept(
        _ fixture: StoreFixture, _ device: DeviceID, _ reports: [ReportRow]
    ) async throws -> (fresh: [Int64], highest: Int64) {
        let journal = try StoreFixture.journal("a")
        return try await fixture.database.write { sql in
            let result = try ReportStore(sql).accept(device, journal, reports, now: fixture.now)
            return (result.fresh.map(\.sequence), result.highest)
        }
    }

    @Test("are taken once, however often and in whatever batches they come")
    func idempotent() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let first = try await accept(fixture, device, [report(1, .downloading), report(2, .verifying)])
        #expect(first.fresh == [1, 2])
        let again = try await accept(fixture, device, [report(1, .failed), report(2, .failed), report(3, .succeeded)])
        #expect(again.fresh == [3])
        #expect(again.highest == 3)
        let nothing = try await accept(fixture, device, [report(2, .failed)])
        #expect(nothing.fresh.isEmpty)
        #expect(nothing.highest == 3)
        let progress = try await fixture.database.read { try SlotStore($0).slots(of: device)[SlotName("s")]?.progress }
        #expect(progress?.state == .succeeded)
        let kept = try await fixture.database.read { try ReportStore($0).list(device).map(\.report.sequence) }
        #expect(kept == [3, 2, 1])
    }

    @Test("about an older generation do not overwrite what is known of a newer one")
    func olderGeneration() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let result = EvaluationResult(rows: 10, correct: 9, failed: 0, medianMilliseconds: 5, minAccuracy: 0.8)
        _ = try await accept(fixture, device, [report(1, .probing, generation: 2, evaluation: result)])
        _ = try await accept(fixture, device, [report(2, .failed, generation: 1, code: "late")])
        var progress = try await fixture.database.read { try SlotStore($0).slots(of: device)[SlotName("s")]?.progress }
        #expect(progress?.state == .probing)
        _ = try await accept(fixture, device, [report(3, .succeeded, generation: 2)])
        progress = try await fixture.database.read { try SlotStore($0).slots(of: device)[SlotName("s")]?.progress }
        #expect(progress?.state == .succeeded)
        #expect(progress?.evaluation == result)
        _ = try await accept(fixture, device, [report(4, .offered, generation: 3)])
        progress = try await fixture.database.read { try SlotStore($0).slots(of: device)[SlotName("s")]?.progress }
        #expect(progress?.evaluation == nil)
    }

    @Test("that are old are pruned, and still not taken again")
    func pruned() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let many = try (1...Int64(StoreLimits.reportsPerDevice + 5)).map { try report($0, nil) }
        _ = try await accept(fixture, device, many)
        let count = try await fixture.database.read {
            try $0.first("SELECT COUNT(*) AS c FROM reports", [])?.integer("c")
        }
        #expect(count == Int64(StoreLimits.reportsPerDevice))
        #expect(try await accept(fixture, device, [report(1, .failed)]).fresh.isEmpty)
    }
}
