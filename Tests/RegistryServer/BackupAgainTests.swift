import Foundation
import Glibc
import MartletTypes
import RegistryServer
import Synchronization
import TestSupport
import Testing

/// A backup into a folder that holds one already: the last good one is there until the new one is.
@Suite("A backup that is made again")
struct BackupAgainTests {
    private struct Interruption: Error {}

    /// A registry that has stopped, with a backup of its former state and changes since.
    private struct Scene {
        let registry: RegistryFixture
        let kept: String
        let former: Timestamp

        static func make(in place: String? = nil) async throws -> Scene {
            let registry = try await RegistryFixture.start()
            try await registry.initializeTrust()
            _ = try await registry.publish("clinic/triage/1.0.0")
            let kept = place ?? registry.folder.file("backup")
            let former = try await registry.backup(to: kept).created
            _ = try await registry.publish("clinic/triage/2.0.0")
            try await registry.stop()
            return Scene(registry: registry, kept: kept, former: former)
        }

        /// What the backup in a folder restores to.
        func restored(_ backup: String) async throws -> BackupSummary {
            let folder = try TemporaryFolder("restored")
            return try await restore(backup, into: folder.file("data")).backup
        }

        func again(
            verifies: Bool = false, onStep: @escaping @Sendable (String) throws -> Void = { _ in }
        ) async throws -> BackupSummary {
            try await registry.backup(to: kept, verifies: verifies, onStep: onStep)
        }
    }

    /// The folders of states in a backup.
    private static func states(_ backup: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: backup).filter { $0.hasPrefix("state-") }
    }

    @Test("is the old or the new one at every instant, and the power may go at any")
    func everyInstant() async throws {
        let scene = try await Scene.make()
        let instants = try TemporaryFolder("instants")
        let steps = Mutex<[String]>([])
        let kept = scene.kept
        let latest = try await scene.again { step in
            let number = steps.withLock { steps in
                steps.append(step)
                return steps.count
            }
            try FileManager.default.copyItem(atPath: kept, toPath: instants.file("\(number)"))
        }
        let names = steps.withLock { $0 }
        #expect(names.count > 8 && names.contains("name state-2") && names.contains("remove state-1"))
        var isNew = false
        for (number, name) in names.enumerated() {
            let instant = instants.file("\(number + 1)")
            let created = try await scene.restored(instant).created
            #expect(created == scene.former || created == latest.created, "before \(name)")
            #expect(!isNew || created == latest.created, "before \(name)")
            isNew = created == latest.created
            // The next run comes to its end on what was left, and leaves nothing over.
            let next = try await scene.registry.backup(to: instant)
            #expect(try await scene.restored(instant).created == next.created, "before \(name)")
            #expect(try Self.states(instant).count == 1, "before \(name)")
        }
        #expect(isNew, "the last steps are those after the new one was named")
        #expect(try await scene.restored(scene.kept).created == latest.created)
    }

    @Test("and fails at any step leaves a backup, and no half of another one")
    func everyFailure() async throws {
        let scene = try await Scene.make()
        var created = scene.former
        // Far more steps than there are: a run that comes to no end fails the test, not the machine.
        let limit = 200
        var failed = 0
        while failed < limit {
            let failing = failed
            let count = Mutex(0)
            let start = TestClock().now
            do {
                _ = try await scene.again { _ in
                    let isHere = count.withLock { count in
                        count += 1
                        return count == failing + 1
                    }
                    if isHere { throw Interruption() }
                }
                break
            } catch {
                try #require(error is Interruption, "step \(failed): \(error)")
            }
            let found = try await scene.restored(scene.kept).created
            #expect(found == created || found >= start, "step \(failed)")
            #expect(try Self.states(scene.kept).count == 1, "step \(failed)")
            created = found
            failed += 1
        }
        #expect(failed > 8 && failed < limit)
    }

    @Test(
        "and finds no room says so, and the former one is whole",
        .enabled(if: SmallDisk.isPossible, "a small tmpfs can be mounted only by root outside a sandbox"))
    func full() async throws {
        let disk = try SmallDisk(kibibytes: 12 << 10)
        let scene = try await Scene.make(in: disk.path + "/backup")
        // Room for less and less of it: for the first key no more in the end.
        for free in [700_000, 300_000, 100_000, 0] {
            var status = statvfs()
            #expect(statvfs(disk.path, &status) == 0)
            let room = Int(status.f_bavail) * Int(status.f_bsize) - free
            let filler = disk.path + "/filler"
            if room > 0 { try Data(repeating: 1, count: room).write(to: URL(fileURLWithPath: filler)) }
            #expect(await errorCode { _ = try await scene.again() } == "backupFull", "\(free) bytes")
            #expect(try await scene.restored(scene.kept).created == scene.former, "\(free) bytes")
            #expect(try Self.states(scene.kept).count == 1)
            try FileManager.default.removeItem(atPath: filler)
        }
        let latest = try await scene.again()
        #expect(try await scene.restored(scene.kept).created == latest.created)
    }

    @Test("with --verify finds what has rotted in it, copies that anew, and never takes rot for a copy")
    func verify() async throws {
        let scene = try await Scene.make()
        _ = try await scene.again()
        let blobs = scene.kept + "/blobs/sha256"
        let files = try FileManager.default.subpathsOfDirectory(atPath: blobs).filter { $0.contains("/") }.sorted()
        let file = try #require(files.first)
        func rot(_ path: String) throws {
            var bytes = try #require(FileManager.default.contents(atPath: path))
            bytes[bytes.count / 2] ^= 1
            try FileManager.default.removeItem(atPath: path)
            try bytes.write(to: URL(fileURLWithPath: path))
        }
        try rot(blobs + "/" + file)
        #expect(try await scene.again().copied == 0, "a run that does not verify looks at names and lengths")
        #expect(await errorCode { _ = try await scene.restored(scene.kept) } == "backupDamaged")
        let mended = try await scene.again(verifies: true)
        #expect(mended.mended == 1 && mended.copied == 1)
        #expect(try await scene.restored(scene.kept).created == mended.created)
        #expect(try await scene.again(verifies: true).mended == 0)

        // The registry's own copy rots: the backup's good one stays, and a missing one is not made of it.
        try rot(scene.registry.data + "/blobs/sha256/" + file)
        #expect(try await scene.again(verifies: true).mended == 0)
        try FileManager.default.removeItem(atPath: blobs + "/" + file)
        let error = await #expect(throws: ServerError.self) { _ = try await scene.again() }
        #expect(error?.code == "blobDamaged" && error?.message.contains(file) == true)
        #expect(error?.remedy.contains("delete its release") == false, "a release cannot be deleted")
        #expect(!FileManager.default.fileExists(atPath: blobs + "/" + file))
    }

    @Test("of the first format, which kept database and keys in the folder itself, is read and brought up to date")
    func firstFormat() async throws {
        let scene = try await Scene.make()
        let manager = FileManager.default
        for name in ["registry.sqlite", "keys"] {
            try manager.moveItem(atPath: "\(scene.kept)/state-1/\(name)", toPath: "\(scene.kept)/\(name)")
        }
        try manager.removeItem(atPath: scene.kept + "/state-1")
        let file = scene.kept + "/backup.json"
        var text = try String(contentsOfFile: file, encoding: .utf8)
        text.replace(#/"format"\s*:\s*2/#, with: "\"format\":1")
        text.replace(#/,?"state"\s*:\s*"state-1"/#, with: "")
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try await scene.restored(scene.kept).created == scene.former)
        let latest = try await scene.again()
        #expect(try await scene.restored(scene.kept).created == latest.created)
        #expect(!manager.fileExists(atPath: scene.kept + "/keys"))
        #expect(!manager.fileExists(atPath: scene.kept + "/registry.sqlite"))
    }

    @Test("while another run writes to the same folder is refused")
    func together() async throws {
        let scene = try await Scene.make()
        let kept = scene.kept
        let code = Mutex<String?>(nil)
        _ = try await scene.again { step in
            guard step.hasPrefix("make") else { return }
            let descriptor = open(kept + "/lock", O_RDWR)
            defer { close(descriptor) }
            code.withLock { $0 = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? "free" : "held" }
        }
        #expect(code.withLock { $0 } == "held")
        let descriptor = open(kept + "/lock", O_RDWR)
        #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        #expect(await errorCode { _ = try await scene.again() } == "backupInUse")
        close(descriptor)
    }
}
