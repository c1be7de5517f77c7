import Foundation
import Glibc
import MartletTypes
import Synchronization
import TestSupport
import Testing

@testable import AgentStore

@Suite("A data folder on a disk that takes no writes")
struct ReadOnlyStoreTests {
    /// How the last agent left the folder.
    enum Ending: String, CaseIterable, Sendable {
        /// It closed its journal: SQLite took the log away.
        case stopped
        /// It was killed: the newest records are in the log alone.
        case killed
        /// The power went: the log's index is not there.
        case powerCut
    }

    /// A folder with a slot that serves, as `ending` leaves it, and an unnamed generation beside it.
    private func scene(_ ending: Ending) async throws -> (scene: Scene, record: SlotRecord) {
        let first = try Scene()
        let store = try await first.open()
        var record = SlotRecord(slot: try SlotName("triage"))
        record.phase = .committed
        record.current = try Sample.generation(2)
        record.previous = try Sample.generation(1)
        for id in 1...3 as ClosedRange<Int64> { try await store.generations.stage(try Sample.generation(id)) }
        try await store.generations.point(record.slot, current: GenerationID(2), previous: GenerationID(1))
        try await store.accept(assignment: Array(#"{"signed":{"number":7}}"#.utf8), number: 7)
        try await store.journal.save(record, transition: nil, reports: [[1], [2]])
        if ending == .stopped { await store.close() }
        let copy = try first.copied()
        if ending == .powerCut { try FileManager.default.removeItem(atPath: copy.layout.journal + "-shm") }
        return (copy, record)
    }

    /// Every file with its bytes.
    private func content(_ scene: Scene) throws -> [String: Data] {
        var content: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: scene.root) {
            content[path] = FileManager.default.contents(atPath: scene.root + "/" + path)
        }
        return content
    }

    @Test(
        "is read as it is, changes in nothing, and is written again once the disk takes it",
        arguments: Ending.allCases, [EROFS, ENOSPC, EIO])
    func suspended(_ ending: Ending, _ number: Int32) async throws {
        let (scene, record) = try await scene(ending)
        let before = try content(scene)
        let files = FaultyFileSystem(.refused(errno: number))
        let store = try await scene.open(files: files)
        #expect(store.health.isSuspended)
        #expect(store.health.trouble?.reason == AgentStoreError(errno: number, "open", "").reason)
        #expect(try await store.journal.slots() == [record])
        #expect(try await store.journal.mark(.assignmentNumber) == 7)
        #expect(try await store.journal.reports(limit: 9).map(\.body) == [[1], [2]])
        #expect(await code { try await store.journal.report([3]) } == .readOnly)
        #expect(await code { try await store.journal.save(record, transition: nil) } == .readOnly)
        #expect(await code { try await store.accept(assignment: [1], number: 8) } != nil)
        #expect(await code { try await store.blobs.put([1], as: Digest.of([1])) } != nil)
        #expect(await code { try await store.resume() } == AgentStoreError(errno: number, "", "").reason)
        #expect(try await store.journal.slots() == [record], "it is read on after a try in vain")
        #expect(try content(scene) == before)
        #expect(store.layout.run != scene.layout.run && store.layout.logs.hasPrefix(store.layout.run))
        #expect(access(store.layout.run, W_OK) == 0)

        files.set(.none)
        try await store.resume()
        #expect(!store.health.isSuspended && store.health.trouble == nil)
        #expect(try await store.journal.slots() == [record])
        try await store.journal.report([3])
        try await store.accept(assignment: [1], number: 8)
        #expect(try await store.journal.nextGeneration() == GenerationID(4), "a number that was had is not had again")
        #expect(try files.names(in: scene.layout.generations + "/triage") == ["1", "2", "current", "previous"])
        await store.close()
        let next = try await scene.copied().open()
        #expect(try await next.journal.reports(limit: 9).map(\.body) == [[1], [2], [3]])
        #expect(try await next.journal.mark(.assignmentNumber) == 8)
        try FileManager.default.removeItem(atPath: store.layout.run)
    }

    @Test("goes on over remains that cannot be removed, and says that they are there")
    func leftovers() async throws {
        let (scene, record) = try await scene(.stopped)
        let files = FaultyFileSystem(.refused(errno: EROFS))
        let store = try await scene.open(files: files)
        files.set(.none)
        files.hold(scene.layout.generations + "/triage/3/")
        #expect(try await store.resume()?.reason == .storageFailed)
        #expect(!store.health.isSuspended)
        #expect(try await store.journal.slots() == [record])
        #expect(try files.names(in: scene.layout.generations + "/triage") == ["1", "2", "3", "current", "previous"])
        await store.close()
        try FileManager.default.removeItem(atPath: store.layout.run)
    }

    @Test("that was never used is an error")
    func nothingToServe() async throws {
        let fresh = try Scene()
        try FileManager.default.createDirectory(atPath: fresh.root, withIntermediateDirectories: true)
        let files = FaultyFileSystem(.refused(errno: EROFS))
        #expect(await code { _ = try await fresh.open(files: files) } == .readOnly)
    }

    /// What became of the journal.
    enum Loss: String, CaseIterable, Sendable {
        case damaged, gone
        /// Its recovery from an earlier damage was cut off.
        case incomplete
    }

    @Test(
        "has a journal stand in for one that is lost, which takes its place once the disk takes writes",
        arguments: Loss.allCases)
    func standIn(_ loss: Loss) async throws {
        let (scene, record) = try await scene(.stopped)
        let lost = try Journal(path: scene.layout.journal)
        await lost.close()
        switch loss {
        case .damaged: try Data(count: 8192).write(to: URL(fileURLWithPath: scene.layout.journal))
        case .gone: try FileManager.default.removeItem(atPath: scene.layout.journal)
        case .incomplete:
            try FileManager.default.removeItem(atPath: scene.layout.journal)
            let journal = try Journal(path: scene.layout.journal)
            await journal.close()
        }
        let before = try content(scene)
        let files = FaultyFileSystem(.refused(errno: EROFS))
        let store = try await scene.open(files: files)
        #expect(store.health.isSuspended && store.recovery?.slots == [record.slot])
        let aside = scene.root + "/journal.damaged-1.sqlite"
        #expect(store.recovery?.keptAside == (loss == .damaged ? aside : scene.layout.journal))
        let found = try #require(try await store.journal.slots().first)
        #expect(found.current == record.current && found.previous == record.previous && found.phase == .committed)
        let highest = max(7, try #require(record.kept.map(\.assigned).max()))
        #expect(try await store.journal.mark(.assignmentNumber) == highest)
        #expect(await code { try await store.journal.report([3]) } == .readOnly)
        #expect(await code { try await store.resume() } == .readOnly)
        #expect(try await store.journal.slots() == [found], "it is read on after a try in vain")
        #expect(try content(scene) == before)

        files.set(.none)
        try await store.resume()
        #expect(!store.health.isSuspended)
        #expect(try await store.journal.slots() == [found])
        try await store.journal.report([3])
        #expect(try await store.journal.nextGeneration() == GenerationID(4))
        #expect(FileManager.default.fileExists(atPath: aside) == (loss != .gone))
        let sequence = try #require(try await store.journal.reports(limit: 1).first?.sequence)
        #expect(sequence > 1 << 36 && store.journal.identity == lost.identity, "the registry takes it for the same one")
        await store.close()
        let next = try await scene.copied().open()
        #expect(next.recovery == nil && next.journal.identity == lost.identity)
        #expect(try await next.journal.slots() == [found])
        #expect(try await next.journal.reports(limit: 9).map(\.body) == [[3]])
        await next.close()
        try FileManager.default.removeItem(atPath: store.layout.run)
    }

    @Test("is told of whenever trouble begins, changes its kind, or ends")
    func health() {
        let health = StoreHealth()
        let rings = Rings()
        health.observe { rings.ring() }
        let full = AgentStoreError(.diskFull, "full")
        health.failed(AgentStoreError(.digestMismatch, "no trouble of the disk"))
        #expect(health.trouble == nil && rings.count == 0)
        health.failed(full)
        health.failed(full)
        #expect(health.trouble == full && rings.count == 1)
        health.failed(AgentStoreError(.readOnly, "read-only"))
        health.wrote()
        health.wrote()
        #expect(health.trouble == nil && rings.count == 3)
        health.suspend(full)
        health.wrote()
        #expect(health.trouble == full && health.isSuspended, "what was opened for reading stays so")
        health.resumed()
        #expect(health.trouble == nil && rings.count == 5)
    }

    @Test("has its sockets where both the agent and who asks it find them, and no stranger's folder is trusted")
    func runFolders() throws {
        let folder = try ScratchFolder()
        let data = folder.file("data")
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: data)
        let names = RunFolder.candidates(data: data, runtime: "/run/unit:/run/other")
        #expect(names.first == data + "/run" && names[1].hasPrefix("/run/unit/"))
        #expect(
            RunFolder.candidates(data: folder.file("link")).dropFirst().elementsEqual(
                RunFolder.candidates(data: data).dropFirst()))
        #expect(names.dropFirst().allSatisfy { $0.utf8.count < 40 }, "below them an engine has a socket")
        #expect(RunFolder.isTrusted(data, data: data))
        #expect(!RunFolder.isTrusted(folder.file("link"), data: data), "a link leads anywhere")
        #expect(!RunFolder.isTrusted(folder.file("absent"), data: data))
    }
}

/// How often an observer was called, from whichever thread.
private final class Rings: Sendable {
    private let number = Mutex(0)

    var count: Int { number.withLock { $0 } }
    func ring() { number.withLock { $0 += 1 } }
}
