import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

@Suite("The data folder")
struct AgentStoreTests {
    @Test("belongs to one agent at a time, and to the next when that one is gone, however it went")
    func lock() async throws {
        let scene = try Scene()
        var first: AgentStore? = try await scene.open()
        let error = await #expect(throws: AgentStoreError.self) { _ = try await scene.open() }
        #expect(error?.reason == .alreadyRunning)
        #expect(error?.message.contains(scene.root) == true)
        // The refusal did no harm to the one at work.
        try await first?.journal.report([1])
        await first?.close()
        first = nil
        let second = try await scene.open()
        #expect(try await second.journal.reports(limit: 1).count == 1)
    }

    @Test("is freed by the kernel when its process is killed")
    func lockOfAnotherProcess() async throws {
        let scene = try Scene()
        await (try await scene.open()).close()
        let holder = try RunningProcess(
            "/usr/bin/flock", ["--no-fork", scene.layout.lock, "sleep", "600"],
            log: scene.folder.file("flock.log"))
        try await eventually(within: 20, "the other process has the lock") {
            await code { _ = try await scene.open() } == .alreadyRunning
        }
        holder.signal(SIGKILL)
        try await eventually(within: 20, "the lock is free") { await code { _ = try await scene.open() } == nil }
    }

    @Test("is free when it is closed, also while a program that is being started has a copy of the descriptor")
    func lockInChild() throws {
        let scene = try Scene()
        try FileManager.default.createDirectory(atPath: scene.root, withIntermediateDirectories: true)
        let layout = StoreLayout(root: scene.root)
        var first: StoreLock? = try StoreLock(layout: layout)
        #expect(first != nil)
        // Between fork and exec a child has all descriptors of its parent.
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
        let descriptor = try #require(
            open.first { link in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(link)")) == layout.lock
            })
        let copy = dup(descriptor)
        defer { close(copy) }
        first = nil
        _ = try StoreLock(layout: layout)
    }

    @Test("is made with permissions that keep others out of what is private")
    func folders() async throws {
        let scene = try Scene()
        let store = try await scene.open()
        for (path, mode) in [
            (scene.layout.identity, 0o700), (scene.layout.partial, 0o700), (scene.layout.quarantine, 0o700),
            (scene.layout.blobs, 0o755), (scene.layout.generations, 0o755), (scene.layout.lock, 0o600),
        ] as [(String, UInt32)] {
            #expect(store.files.status(path)?.mode == mode, "\(path)")
        }
    }

    @Test("opens again with all that was kept")
    func reopened() async throws {
        let scene = try Scene()
        var store = try await scene.open()
        #expect(store.recovery == nil)
        #expect(try store.lastAssignment() == nil)
        try await store.accept(assignment: Array("{\"signed\":{\"number\":7}}".utf8), number: 7)
        let identity = store.journal.identity
        await store.close()
        let copy = try scene.copied()
        store = try await copy.open()
        #expect(store.recovery == nil)
        #expect(store.journal.identity == identity)
        #expect(try store.lastAssignment() == Array("{\"signed\":{\"number\":7}}".utf8))
        #expect(try await store.journal.mark(.assignmentNumber) == 7)
    }

    @Test("is rid of what an interrupted stage or emptying left, and of nothing that a record names")
    func strays() async throws {
        let scene = try Scene()
        let store = try await scene.open()
        let names = ["triage", "billing", "emptied", "unknown"]
        for name in names {
            for id in 1...4 as ClosedRange<Int64> {
                try await store.generations.stage(try Sample.generation(id, slot: name))
            }
            try await store.generations.point(try SlotName(name), current: GenerationID(2), previous: GenerationID(1))
        }
        try store.files.makeFolder(scene.layout.generations + "/triage/5.new", mode: 0o755)
        for name in names.dropLast() {
            var record = SlotRecord(slot: try SlotName(name))
            if name != "emptied" {
                record.previous = try Sample.generation(1, slot: name)
                record.current = try Sample.generation(2, slot: name)
            }
            if name == "triage" { record.candidate = try Sample.generation(3, slot: name) }
            try await store.journal.save(record, transition: nil)
        }
        await store.close()
        let next = try scene.copied()
        let again = try await next.open()
        #expect(try again.files.names(in: next.layout.generations) == ["billing", "triage"])
        let folder = next.layout.generations
        #expect(try again.files.names(in: folder + "/billing") == ["1", "2", "current", "previous"])
        #expect(try again.files.names(in: folder + "/triage") == ["1", "2", "3", "current", "previous"])
        #expect(try await again.journal.nextGeneration() == GenerationID(6))
    }

    @Test("refuses an assignment's copy that is longer than any can be")
    func longAssignment() async throws {
        let scene = try Scene()
        let store = try await scene.open()
        try Data(count: Limits.assignmentBytes + 1).write(to: URL(fileURLWithPath: scene.layout.assignment))
        #expect(throws: AgentStoreError.self) { try store.lastAssignment() }
    }

    @Test("that cannot be made is an error that names it")
    func impossible() async throws {
        let scene = try Scene()
        try Data([1]).write(to: URL(fileURLWithPath: scene.root))
        let error = await #expect(throws: AgentStoreError.self) { _ = try await scene.open() }
        #expect(error?.message.contains(scene.root) == true)
        let deep = await #expect(throws: AgentStoreError.self) {
            _ = try await AgentStore.open(root: scene.folder.file("no/such/parent"))
        }
        #expect(deep?.reason == .missingFile)
    }

    @Test(
        "tells the causes apart that a person can mend",
        arguments: [
            (ENOSPC, AgentStoreError.Code.diskFull), (EDQUOT, .diskFull), (EROFS, .readOnly), (EACCES, .readOnly),
            (EPERM, .readOnly), (ENOENT, .missingFile), (EIO, .storageFailed), (EMFILE, .storageFailed),
        ])
    func causes(number: Int32, expected: AgentStoreError.Code) {
        let error = AgentStoreError(errno: number, "write", "/data/x")
        #expect(error.reason == expected)
        #expect(error.code == expected.rawValue)
        #expect(error.message.hasPrefix("Could not write /data/x: "))
        #expect(error.message.hasSuffix(String(cString: strerror(number)) + "."))
        #expect(error.fault == .environment)
    }

    @Test("says what to do about each error", arguments: AgentStoreError.Code.allCases)
    func remedies(code: AgentStoreError.Code) {
        #expect(AgentStoreError(code, "x").remedy.hasSuffix("."))
    }
}
