import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import AgentStore

@Suite("A damaged journal")
struct JournalDamageTests {
    /// A device with two slots, pointed at on disk and known to the journal, and assignment 30 accepted.
    private static func device() async throws -> Scene {
        let scene = try Scene()
        let store = try await scene.open()
        for name in ["triage", "billing"] {
            let slot = try SlotName(name)
            var record = SlotRecord(slot: slot)
            record.previous = try Sample.generation(1, slot: name)
            record.current = try Sample.generation(2, slot: name, version: "2.0.0")
            record.phase = .committed
            for generation in [record.previous, record.current].compactMap(\.self) {
                try await store.generations.stage(generation)
            }
            try await store.journal.save(record, transition: nil, reports: [[1]])
            try await store.generations.point(slot, current: GenerationID(2), previous: GenerationID(1))
        }
        let issued = Sample.now.description
        try await store.accept(
            assignment: Array("{\"signed\":{\"issued\":\"\(issued)\",\"number\":30},\"signatures\":[]}".utf8),
            number: 30)
        try await store.journal.raise(.signedTime, to: Sample.now.milliseconds)
        await store.close()
        return scene
    }

    private static func expectServing(_ store: AgentStore, _ comment: Comment) async throws {
        let slots = try await store.journal.slots()
        #expect(slots.map(\.slot.text) == ["billing", "triage"], comment)
        #expect(slots.allSatisfy { $0.current?.id == GenerationID(2) }, comment)
        #expect(slots.allSatisfy { $0.previous?.id == GenerationID(1) }, comment)
        #expect(slots.allSatisfy { $0.phase == .committed }, comment)
        #expect(try await store.journal.mark(.assignmentNumber) == 30, comment)
        #expect(try await store.journal.mark(.signedTime) == Sample.now.milliseconds, comment)
        #expect(try await store.journal.nextGeneration() == GenerationID(3), comment)
    }

    @Test(
        "is put aside, its slots are found again from the generations, and numbers do not fall",
        arguments: [
            "no database at all", "SQLite format 3\u{0}",
        ])
    func putAside(content: String) async throws {
        let scene = try await Self.device()
        try Data(content.utf8).write(to: URL(fileURLWithPath: scene.layout.journal))
        let store = try await scene.open()
        let recovery = try #require(store.recovery)
        #expect(recovery.slots.map(\.text) == ["billing", "triage"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: recovery.keptAside)) == Data(content.utf8))
        #expect(!recovery.cause.isEmpty)
        try await Self.expectServing(store, "\(content)")
        #expect(try await store.journal.reports(limit: 1).isEmpty)
        await store.close()
        let copy = try scene.copied()
        #expect(try await copy.open().recovery == nil, "once")
    }

    @Test("goes on as the one before it, in numbers that the registry has not had: two journals are two boxes to it")
    func origin() async throws {
        var scene = try await Self.device()
        let first = try Journal(path: scene.layout.journal)
        await first.close()
        var last: Int64 = 0
        for loss in 1...3 {
            // The third time it is not there at all.
            if loss == 3 {
                try FileManager.default.removeItem(atPath: scene.layout.journal)
            } else {
                try Data("no database".utf8).write(to: URL(fileURLWithPath: scene.layout.journal))
            }
            let store = try await scene.open()
            #expect(store.recovery?.slots.count == 2 && store.journal.identity == first.identity)
            try await store.journal.report([1])
            try await store.journal.spool([1], budget: .mebibytes(1))
            let report = try #require(try await store.journal.reports(limit: 1).first?.sequence)
            let measurement = try #require(try await store.journal.oldestMeasurements()?.sequence)
            #expect(report > last && measurement == report)
            last = report
            await store.close()
            // Where only that is lost it is made anew from the journal.
            scene = try scene.copied()
            try FileManager.default.removeItem(atPath: scene.layout.journalOrigin)
            await (try await scene.open()).close()
            scene = try scene.copied()
        }
        // With both a device is another one.
        try FileManager.default.removeItem(atPath: scene.layout.journal)
        try FileManager.default.removeItem(atPath: scene.layout.journalOrigin)
        let store = try await scene.open()
        #expect(store.journal.identity != first.identity)
        await store.close()
    }

    /// SQLite then opens it for reading only, as if the disk took no writes. Source: "Database File Format", 1.3.3.
    @Test("is noticed where its header says that nobody may write it")
    func writeVersion() async throws {
        let scene = try await Self.device()
        var bytes = try Data(contentsOf: URL(fileURLWithPath: scene.layout.journal))
        bytes[18] = 117
        try bytes.write(to: URL(fileURLWithPath: scene.layout.journal))
        let store = try await scene.open()
        #expect(store.recovery?.slots.count == 2)
        try await Self.expectServing(store, "write version 117")
        await store.close()
    }

    @Test("is noticed where a record in it cannot be read: SQLite has no checksums")
    func unreadableRecord() async throws {
        for garbage in ["", "{", "{\"slot\":\"triage\"}", "\u{1}"] {
            let scene = try await Self.device()
            let journal = try Journal(path: scene.layout.journal)
            let hex = Hex.encode(Array(garbage.utf8))
            try await journal.run("UPDATE slot SET record = x'\(hex)' WHERE name = 'triage'")
            await journal.close()
            let store = try await scene.open()
            #expect(store.recovery?.slots.count == 2)
            try await Self.expectServing(store, "\(garbage)")
        }
    }

    @Test(
        "is noticed where its schema is one that the agent never made",
        arguments: [
            "ALTER TABLE report RENAME COLUMN body TO bodx", "DROP TABLE telemetry", "ALTER TABLE slot RENAME TO slat",
            "CREATE TABLE more (x)", "CREATE TRIGGER t AFTER INSERT ON report BEGIN DELETE FROM slot; END",
        ])
    func otherSchema(change: String) async throws {
        let scene = try await Self.device()
        let journal = try Journal(path: scene.layout.journal)
        try await journal.run(change)
        await journal.close()
        let store = try await scene.open()
        #expect(store.recovery?.slots.count == 2)
        try await Self.expectServing(store, "\(change)")
    }

    @Test("is recovered beside an assignment that is longer than any", arguments: [true, false])
    func longAssignment(isSpoiled: Bool) async throws {
        let scene = try await Self.device()
        for suffix in ["", "-wal", "-shm"] { try RealFileSystem().remove(scene.layout.journal + suffix) }
        let files = FaultyFileSystem()
        if isSpoiled {
            files.spoil(scene.layout.assignment)
        } else {
            let long = Data(repeating: 0x20, count: Limits.assignmentBytes + 1)
            try long.write(to: URL(fileURLWithPath: scene.layout.assignment))
        }
        let store = try await scene.open(files: files)
        #expect(store.recovery?.slots.count == 2)
        #expect(try await store.journal.slots().allSatisfy { $0.current?.id == GenerationID(2) })
        await store.close()
    }

    @Test("that is gone altogether costs no slot and no number")
    func missing() async throws {
        let scene = try await Self.device()
        for suffix in ["", "-wal", "-shm"] { try RealFileSystem().remove(scene.layout.journal + suffix) }
        let store = try await scene.open()
        try await Self.expectServing(store, "missing")
        #expect(store.recovery?.slots.count == 2)
    }

    @Test("is recovered from wherever the recovery itself was cut off")
    func interruptedRecovery() async throws {
        let damaged = try await Self.device()
        try Data("no database at all".utf8).write(to: URL(fileURLWithPath: damaged.layout.journal))
        try Data("a log".utf8).write(to: URL(fileURLWithPath: damaged.layout.journal + "-wal"))
        let counting = FaultyFileSystem()
        let spare = try damaged.copied()
        _ = try await spare.open(files: counting)
        #expect(counting.changes.count > 10)
        for number in 1...counting.changes.count {
            let scene = try damaged.copied()
            let files = FaultyFileSystem(.killed(at: number))
            let error = await code { _ = try await scene.open(files: files) }
            #expect(error != nil || !files.isDead)
            let next = try scene.copied()
            try await Self.expectServing(try await next.open(), "killed in \(counting.changes[number - 1])")
        }
    }

    @Test("is recovered from where the process was killed after the new journal was made and before it was filled")
    func emptyJournal() async throws {
        let scene = try await Self.device()
        for suffix in ["", "-wal", "-shm"] { try RealFileSystem().remove(scene.layout.journal + suffix) }
        await (try Journal(path: scene.layout.journal)).close()
        try await Self.expectServing(try await scene.open(), "empty")
    }

    @Test("never keeps the agent from starting, whichever byte is wrong or wherever the file ends")
    func randomDamage() async throws {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        let device = try await Self.device()
        let sound = try Data(contentsOf: URL(fileURLWithPath: device.layout.journal))
        #expect(try RealFileSystem().names(in: device.root).contains("journal.sqlite-wal") == false)
        let seed = UInt64.random(in: 0...1_000_000)
        var generator = SeededGenerator(seed: seed)
        for round in 0..<60 * scale {
            var bytes = sound
            var what = ""
            if round % 4 == 0 {
                bytes = bytes.prefix(Int.random(in: 0..<sound.count, using: &generator))
                what = "cut to \(bytes.count) bytes"
            } else {
                for _ in 0..<Int.random(in: 1...40, using: &generator) {
                    // Half of them where the header and the schema are; the version of the form means what it says.
                    let end = Bool.random(using: &generator) ? 4096 : sound.count
                    let position = Int.random(in: 0..<end, using: &generator)
                    guard !(60..<64).contains(position) else { continue }
                    bytes[position] = UInt8.random(in: 0...255, using: &generator)
                    what += "\(position) "
                }
            }
            let scene = try device.copied()
            try bytes.write(to: URL(fileURLWithPath: scene.layout.journal))
            do {
                let store = try await scene.open()
                let slots = try await store.journal.slots()
                #expect(slots.count == 2 || store.recovery == nil, "seed \(seed) round \(round): \(what)")
                try await store.journal.save(SlotRecord(slot: try SlotName("new")), transition: nil, reports: [[1]])
            } catch {
                Issue.record("seed \(seed) round \(round): \(what): \(error)")
            }
        }
    }

    @Test("in its log loses whole transactions from the end and nothing else")
    func tornLog() async throws {
        let folder = try ScratchFolder()
        let path = folder.file("journal.sqlite")
        let journal = try Journal(path: path)
        let slot = try SlotName("triage")
        for number in 1...12 {
            var record = SlotRecord(slot: slot)
            record.attempts = number
            let transition = Transition(time: Sample.now, slot: slot, from: .idle, to: .waiting, cause: "\(number)")
            try await journal.save(record, transition: transition, reports: [[UInt8(number)]])
        }
        let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
        let base = try Data(contentsOf: URL(fileURLWithPath: path))
        var last = 0
        for length in stride(from: log.count / 4, through: log.count, by: 1_777) {
            let copy = folder.file("copy-\(length).sqlite")
            try base.write(to: URL(fileURLWithPath: copy))
            var torn = log.prefix(length)
            if length % 2 == 0 { torn[length - 1] ^= 0xff }
            try torn.write(to: URL(fileURLWithPath: copy + "-wal"))
            let found = try Journal(path: copy)
            let number = try await found.slots().first?.attempts ?? 0
            #expect(number >= last)
            last = number
            #expect(try await found.reports(limit: 100).map(\.body) == (0..<number).map { [UInt8($0 + 1)] })
            #expect(try await found.history(of: slot, limit: 100).map(\.cause) == (0..<number).map { "\(number - $0)" })
        }
        #expect(last >= 10)
        await journal.close()
    }

    @Test("is told from one of a newer agent, which is refused and left alone")
    func newer() async throws {
        let scene = try await Self.device()
        let journal = try Journal(path: scene.layout.journal)
        try await journal.run("PRAGMA user_version = 99")
        await journal.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: scene.layout.journal))
        let error = await #expect(throws: AgentStoreError.self) { _ = try await scene.open() }
        #expect(error?.reason == .journalTooNew)
        #expect(error?.message.contains("99") == true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: scene.layout.journal)) == before)
        #expect(try RealFileSystem().names(in: scene.root).allSatisfy { !$0.contains("damaged") })
    }

    @Test("is kept aside, the newest few of them")
    func boundedAside() async throws {
        let scene = try await Self.device()
        for round in 0..<5 {
            let copy = round == 0 ? scene : scene
            try Data("damage \(round)".utf8).write(to: URL(fileURLWithPath: copy.layout.journal))
            for suffix in ["-wal", "-shm"] { try RealFileSystem().remove(copy.layout.journal + suffix) }
            let store = try await copy.open()
            await store.close()
        }
        let aside = try RealFileSystem().names(in: scene.root).filter { $0.hasPrefix("journal.damaged-") }
        #expect(aside.filter { $0.hasSuffix(".sqlite") }.count == 3)
        #expect(aside.contains("journal.damaged-5.sqlite"))
        let newest = scene.root + "/journal.damaged-5.sqlite"
        #expect(try Data(contentsOf: URL(fileURLWithPath: newest)) == Data("damage 4".utf8))
    }

    @Test("is no reason to take an assignment's copy for one that cannot be read")
    func unreadableAssignment() async throws {
        for text in [
            "", "{", "[]", "{\"signed\":{\"number\":\"x\"}}", "{\"signed\":{\"number\":-5,\"issued\":\"never\"}}",
        ] {
            let scene = try await Self.device()
            try Data(text.utf8).write(to: URL(fileURLWithPath: scene.layout.assignment))
            try Data("x".utf8).write(to: URL(fileURLWithPath: scene.layout.journal))
            let store = try await scene.open()
            // What the generations know is the least.
            #expect(try await store.journal.mark(.assignmentNumber) == 20)
            #expect(store.recovery?.slots.count == 2)
        }
    }
}
