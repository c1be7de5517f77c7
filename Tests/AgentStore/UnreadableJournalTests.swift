import AgentStore
import CSQLite
import Foundation
import Glibc
import MartletTypes
import Synchronization
import TestSupport
import Testing

/// Files that SQLite cannot read, as on a bad sector; its own hook for tests stands between it and the kernel.
private enum BadSectors {
    private struct File: Hashable {
        let device: UInt64
        let number: UInt64

        init?(_ read: (inout stat) -> Int32) {
            var status = stat()
            guard read(&status) == 0 else { return nil }
            (device, number) = (UInt64(status.st_dev), UInt64(status.st_ino))
        }

        static func at(_ path: String) -> File? { File { lstat(path, &$0) } }
    }

    private typealias Read = @convention(c) (Int32, UnsafeMutableRawPointer?, Int) -> Int
    private typealias ReadAt = @convention(c) (Int32, UnsafeMutableRawPointer?, Int, Int) -> Int

    private static let failing = Mutex<[File: Int]>([:])

    /// Lets the next `count` reads of a file fail.
    static func spoil(_ path: String, reads count: Int) throws {
        try #require(isHooked)
        let file = try #require(File.at(path))
        failing.withLock { $0[file] = count }
    }

    /// How many reads are still to fail.
    static func left(_ path: String) -> Int? {
        File.at(path).flatMap { file in failing.withLock { $0[file] } }
    }

    /// The next file with the same number is sound.
    static func heal(_ path: String) {
        if let file = File.at(path) { failing.withLock { $0[file] = nil } }
    }

    private static func fails(_ descriptor: Int32) -> Bool {
        guard let file = File({ fstat(descriptor, &$0) }) else { return false }
        return failing.withLock { failing in
            guard let count = failing[file], count > 0 else { return false }
            failing[file] = count - 1
            return true
        }
    }

    private static let isHooked: Bool = {
        let read: Read = { descriptor, buffer, count in
            guard BadSectors.fails(descriptor) else { return Glibc.read(descriptor, buffer, count) }
            errno = EIO
            return -1
        }
        let readAt: ReadAt = { descriptor, buffer, count, offset in
            guard BadSectors.fails(descriptor) else { return pread(descriptor, buffer, count, offset) }
            errno = EIO
            return -1
        }
        guard let system = sqlite3_vfs_find("unix") else { return false }
        let hooks: [(String, sqlite3_syscall_ptr?)] = [
            ("read", unsafeBitCast(read, to: sqlite3_syscall_ptr?.self)),
            ("pread", unsafeBitCast(readAt, to: sqlite3_syscall_ptr?.self)),
            ("pread64", unsafeBitCast(readAt, to: sqlite3_syscall_ptr?.self)),
        ]
        for (name, hook) in hooks where system.pointee.xGetSystemCall(system, name) != nil {
            guard system.pointee.xSetSystemCall(system, name, hook) == SQLITE_OK else { return false }
        }
        return true
    }()
}

@Suite("A journal that the disk does not give back")
struct UnreadableJournalTests {
    private func device() async throws -> Scene {
        let scene = try Scene()
        let store = try await scene.open()
        let slot = try SlotName("triage")
        var record = SlotRecord(slot: slot)
        record.current = try Sample.generation(2)
        record.phase = .committed
        try await store.generations.stage(try Sample.generation(2))
        try await store.generations.point(slot, current: GenerationID(2), previous: nil)
        try await store.journal.save(record, transition: nil, reports: [[1]])
        await store.close()
        return scene
    }

    @Test("is put aside, and its slots are found again from the generations")
    func lost() async throws {
        let scene = try await device()
        try BadSectors.spoil(scene.layout.journal, reads: .max)
        let store = try await scene.open()
        let recovery = try #require(store.recovery)
        BadSectors.heal(recovery.keptAside)
        #expect(recovery.slots.map(\.text) == ["triage"])
        #expect(try await store.journal.slots().first?.current?.id == GenerationID(2))
        #expect(try await store.journal.nextGeneration() == GenerationID(3))
        await store.close()
    }

    @Test("is used where the disk gives it back in the end")
    func late() async throws {
        let scene = try await device()
        try BadSectors.spoil(scene.layout.journal, reads: 2)
        let store = try await scene.open()
        #expect(BadSectors.left(scene.layout.journal) == 0)
        BadSectors.heal(scene.layout.journal)
        #expect(store.recovery == nil)
        #expect(try await store.journal.reports(limit: 2).count == 1)
        await store.close()
    }
}
