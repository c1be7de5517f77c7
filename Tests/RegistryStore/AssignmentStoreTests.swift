import MartletTypes
import Testing
import Trust

@testable import RegistryStore

@Suite("Assignments")
struct AssignmentStoreTests {
    @Test("rise by one for each transaction, and carry the generation of the slots that moved")
    func numbers() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let one = try await fixture.publish("a/b/1.0.0")
        let two = try await fixture.publish("a/b/2.0.0")
        try await fixture.assign([fixture.move(device, "s", [one]), fixture.move(device, "t", [one])])
        let changes = try await fixture.assign([try fixture.move(device, "s", [two], rollout: "r-1")])
        #expect(changes.map(\.number) == [2])
        #expect(changes[0].from?.releases == [one])
        let assignment = try await fixture.database.read {
            try AssignmentStore($0).compose(device, issued: fixture.now, expires: fixture.now + .seconds(60))
        }
        #expect(assignment.number == 2)
        #expect(assignment.slots[try SlotName("s")]?.generation == 2)
        #expect(assignment.slots[try SlotName("s")]?.rollout?.text == "r-1")
        #expect(assignment.slots[try SlotName("t")]?.generation == 1)
        let release = try #require(assignment.slots[try SlotName("s")]?.releases.first)
        #expect(release == AssignedRelease(path: two, indexDigest: Digest.of(Array("a/b/2.0.0".utf8)), length: 321))
        let emptied = DesiredMove(device: device, slot: try SlotName("t"), desired: nil, actor: "ann", reason: "gone")
        try await fixture.assign([emptied])
        let after = try await fixture.database.read {
            try AssignmentStore($0).compose(device, issued: fixture.now, expires: fixture.now)
        }
        #expect(after.number == 3)
        #expect(after.slots.keys.map(\.text) == ["s"])
    }

    @Test("of two rollouts on two slots never lose each other")
    func concurrent() async throws {
        let fixture = try await StoreFixture()
        let other = try fixture.reopened()
        let device = try await fixture.enrol("pi-1")
        var releases: [ReleasePath] = []
        for number in 1...20 { releases.append(try await fixture.publish("a/b/1.0.\(number)")) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (slot, database) in [("s", fixture.database), ("t", other)] {
                group.addTask { [releases] in
                    for release in releases {
                        let move = try fixture.move(device, slot, [release])
                        try await database.write { _ = try AssignmentStore($0).setDesired([move], now: fixture.now) }
                    }
                }
            }
            try await group.waitForAll()
        }
        let assignment = try await fixture.database.read {
            try AssignmentStore($0).compose(device, issued: fixture.now, expires: fixture.now)
        }
        #expect(assignment.number == 40)
        for slot in ["s", "t"] {
            #expect(assignment.slots[try SlotName(slot)]?.releases.map(\.path) == [try #require(releases.last)])
        }
        let history = try await fixture.database.read { try AssignmentStore($0).history(of: device) }
        #expect(history.map(\.number) == Array((1...40).reversed()))
    }

    @Test("survive the end of the process")
    func reopened() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let release = try await fixture.publish("a/b/1.0.0")
        try await fixture.assign([try fixture.move(device, "s", [release])])
        let again = try fixture.reopened()
        #expect(try await again.read { try AssignmentStore($0).number(of: device) } == 1)
        #expect(try await again.read { try SlotStore($0).desired(device, SlotName("s"))?.releases } == [release])
    }

    @Test("refuse what cannot run, and move nothing at all then")
    func refusals() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let model = try await fixture.publish("a/base/1.0.0")
        let other = try await fixture.publish("a/base/1.1.0")
        let first = try await fixture.publish("a/x/1.0.0", kind: .adapter, base: "a/base/1.0.0")
        let second = try await fixture.publish("a/y/1.0.0", kind: .adapter, base: "a/base/1.0.0")
        let foreign = try await fixture.publish("a/z/1.0.0", kind: .adapter, base: "a/base/1.1.0")
        let twin = try await fixture.publish("a/x/1.0.1", kind: .adapter, base: "a/base/1.0.0")
        let engine = try await fixture.publish("p/llama.cpp/1.0.0", kind: .engine)
        let otherEngine = try await fixture.publish("p/other/1.0.0", kind: .engine)
        let blocked = try await fixture.publish("a/bad/1.0.0")
        try await fixture.database.write { try ReleaseStore($0).setBlocked(blocked, true, reason: "bad") }
        let table: [([ReleasePath], StoreError.Code?)] = [
            ([model], nil), ([first, second], nil), ([], .wrongKind), ([model, other], .wrongKind),
            ([model, first], .wrongKind), ([first, foreign], .wrongKind), ([first, twin], .wrongKind),
            ([try ReleasePath("a/none/1.0.0")], .notFound), ([blocked], .conflict),
            ([model, engine], nil), ([first, second, engine], nil), ([engine], .wrongKind),
            ([model, engine, otherEngine], .wrongKind),
        ]
        for (releases, expected) in table {
            let before = try await fixture.database.read { try AssignmentStore($0).number(of: device) }
            let moves = [try fixture.move(device, "ok", [model]), try fixture.move(device, "s", releases)]
            #expect(await code { try await fixture.assign(moves) } == expected, "\(releases)")
            let after = try await fixture.database.read { try AssignmentStore($0).number(of: device) }
            #expect(after == (expected == nil ? (before ?? 0) + 1 : before))
        }
        try await fixture.assign([try fixture.move(device, "s", [blocked], isRestore: true)])
        let stranger = try DeviceID("stranger")
        #expect(await code { try await fixture.assign([try fixture.move(stranger, "s", [model])]) } == .notFound)
    }

    @Test("are bounded in slots")
    func slotLimit() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let release = try await fixture.publish("a/b/1.0.0")
        let moves = try (0...Limits.slotsPerDevice).map { try fixture.move(device, "s\($0)", [release]) }
        #expect(await code { try await fixture.assign(moves) } == .conflict)
        try await fixture.assign(Array(moves.dropLast()))
        #expect(await code { try await fixture.assign([moves[Limits.slotsPerDevice]]) } == .conflict)
        try await fixture.assign([moves[0]])
    }

    @Test("of a registry restored from an old backup continue above what the device has accepted")
    func continueAbove() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let release = try await fixture.publish("a/b/1.0.0")
        try await fixture.assign([try fixture.move(device, "s", [release])])
        #expect(try await fixture.database.write { try AssignmentStore($0).continueAbove(1, device: device) } == 1)
        #expect(try await fixture.database.write { try AssignmentStore($0).continueAbove(41, device: device) } == 42)
        #expect(try await fixture.database.read { try SlotStore($0).desired(device, SlotName("s"))?.generation } == 42)
        try await fixture.assign([try fixture.move(device, "s", [release])])
        #expect(try await fixture.database.read { try AssignmentStore($0).number(of: device) } == 43)
    }

    @Test("wake whoever waits, in the transaction that changes them")
    func changes() async throws {
        let fixture = try await StoreFixture()
        let one = try await fixture.enrol("pi-1")
        let two = try await fixture.enrol("pi-2")
        let release = try await fixture.publish("a/b/1.0.0")
        let before = try await fixture.database.read { try ChangeLog($0).revision() }
        try await fixture.assign([fixture.move(one, "s", [release]), fixture.move(two, "s", [release])])
        let bad = try fixture.move(one, "s", [])
        _ = await code { try await fixture.assign([bad]) }
        let changes = try await fixture.database.read { sql in
            try ChangeLog(sql).changes(after: before)?.map { "\($0.topic) \($0.subject)" }
        }
        #expect(changes?.sorted() == ["assignment pi-1", "assignment pi-2"])
        let newest = try await fixture.database.read { try ChangeLog($0).revision() }
        #expect(newest == before + 2)
        #expect(try await fixture.database.read { try ChangeLog($0).changes(after: newest)?.count } == 0)
        let tooOld = newest - Int64(StoreLimits.changeRows) - 1
        #expect(try await fixture.database.read { try ChangeLog($0).changes(after: tooOld) == nil })
    }
}

@Suite("A device may read")
struct ReadAccessTests {
    @Test("exactly what its current, previous and desired releases reach")
    func access() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let blobs = (0..<4).map { Digest.of([UInt8($0)]) }
        var paths: [ReleasePath] = []
        for (number, blob) in blobs.enumerated() {
            paths.append(try await fixture.publish("a/b/1.0.\(number)", objects: [blob]))
        }
        try await fixture.publish("a/other/1.0.0", objects: [blobs[0]])
        for path in [paths[2], paths[1]] { try await fixture.assign([try fixture.move(device, "s", [path])]) }
        let reported = ReportedSlot(current: [paths[1]], previous: [paths[2]], generation: 1, serving: true)
        let inventory = InventoryRow(
            profile: "p", agentVersion: "1", document: .null, slots: [try SlotName("s"): reported])
        try await fixture.database.write { try DeviceStore($0).setInventory(device, inventory, now: fixture.now) }
        try await fixture.assign([try fixture.move(device, "s", [paths[0]])])
        func may(_ repository: String, _ digest: Digest, _ who: DeviceID = device) async throws -> Bool {
            let repository = try RepositoryName(repository)
            return try await fixture.database.read { try ReadAccess($0).mayRead(who, repository, digest) }
        }
        #expect(try await may("a/b", blobs[0]))
        #expect(try await may("a/b", blobs[1]))
        #expect(try await may("a/b", blobs[2]))
        #expect(try await may("a/b", Digest.of(Array("a/b/1.0.0".utf8))))
        #expect(try await !may("a/b", blobs[3]))
        #expect(try await !may("a/other", blobs[0]))
        #expect(try await !may("a/b", Digest.of([99])))
        // What it says of itself counts only for what it was told to run once.
        let claim = ReportedSlot(current: [paths[3]], previous: [paths[1]], generation: 9, serving: true)
        let claimed = InventoryRow(
            profile: "p", agentVersion: "1", document: .null, slots: [try SlotName("s"): claim])
        try await fixture.database.write { try DeviceStore($0).setInventory(device, claimed, now: fixture.now) }
        #expect(try await !may("a/b", blobs[3]))
        #expect(try await may("a/b", blobs[1]))
        #expect(try await !may("a/b", blobs[2]), "it says that this is gone")
        let stranger = try await fixture.enrol("pi-2")
        #expect(try await !may("a/b", blobs[0], stranger))
        try await fixture.database.write { try DeviceStore($0).revoke(device, reason: "", now: fixture.now) }
        #expect(try await !may("a/b", blobs[0]))
    }
}
