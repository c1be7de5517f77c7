import Foundation
import Glibc
import Logging
import MartletAPI
import MartletTypes
import RegistryServer
import Synchronization
import TestSupport
import Testing

/// A backup into a folder that holds one already: the last good one is there until the new one is.
@Suite("A backup that is made again")
struct BackupAgainTests {
    private struct Interruption: Error {}

    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A registry that has stopped, with a backup of its former state and changes since.
    private struct Scene {
        let registry: RegistryFixture
        let data: String
        let kept: String
        let former: Timestamp

        static func make(in place: String? = nil) async throws -> Scene {
            let registry = try await RegistryFixture.start()
            try await registry.initializeTrust()
            _ = try await registry.publish("clinic/triage/1.0.0")
            let data = registry.folder.file("data")
            let kept = place ?? registry.folder.file("backup")
            let former = try await run(data, kept).created
            _ = try await registry.publish("clinic/triage/2.0.0")
            try await registry.stop()
            return Scene(registry: registry, data: data, kept: kept, former: former)
        }

        /// What the backup in a folder restores to.
        func restored(_ backup: String) async throws -> BackupSummary {
            let folder = try TemporaryFolder("restored")
            return try await RegistryRestore(
                dataFolder: folder.file("data"), clock: { TestClock().now }, logger: BackupAgainTests.quiet
            ).run(from: backup, keepsTokens: true).backup
        }

        func again(
            verifies: Bool = false, onStep: @escaping @Sendable (String) throws -> Void = { _ in }
        ) async throws -> BackupSummary {
            try await BackupAgainTests.run(data, kept, verifies: verifies, onStep: onStep)
        }
    }

    @discardableResult
    private static func run(
        _ data: String, _ target: String, verifies: Bool = false,
        onStep: @escaping @Sendable (String) throws -> Void = { _ in }
    ) async throws -> BackupSummary {
        try await RegistryBackup(dataFolder: data, clock: { TestClock().now }, onStep: onStep)
            .run(to: target, verifies: verifies)
    }

    private static func code(_ body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? any MartletError)?.code ?? "\(error)"
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
            let next = try await Self.run(scene.data, instant)
            #expect(try await scene.restored(instant).created == next.created, "before \(name)")
            #expect(try Self.states(instant).count == 1, "before \(name)")
        }
        #expect(isNew, "the last steps are those after the new one was named")
        #expect(try await scene.restored(scene.kept).created == latest.created)
    }

    @Test("and fails at any step leaves a backup, and no half of another one")
    func everyFailure() async throws {
        let scene = try await Scene.make()
        var step = 0
        var created = scene.former
        while true {
            let failing = step
            let count = Mutex(0)
            let start = TestClock().now
            let result = await Self.code {
                _ = try await scene.again { _ in
                    let isHere = count.withLock { count in
                        count += 1
                        return count == failing + 1
                    }
                    if isHere { throw Interruption() }
                }
            }
            guard result != nil else { break }
            let found = try await scene.restored(scene.kept).created
            #expect(found == created || found >= start, "step \(step)")
            #expect(try Self.states(scene.kept).count == 1, "step \(step)")
            created = found
            step += 1
        }
        #expect(step > 8)
    }

    @Test("and finds no room says so, and the former one is whole", .enabled(if: geteuid() == 0))
    func full() async throws {
        let disk = try TemporaryFolder("small")
        let mounted = try await Self.shell("/bin/mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk.path])
        guard mounted == 0 else { return }
        let result: Result<Void, any Error>
        do {
            result = .success(try await fill(disk.path))
        } catch {
            result = .failure(error)
        }
        _ = try await Self.shell("/bin/umount", ["-l", disk.path])
        try result.get()
    }

    private func fill(_ disk: String) async throws {
        let scene = try await Scene.make(in: disk + "/backup")
        // Room for less and less of it: for the first key no more in the end.
        for free in [700_000, 300_000, 100_000, 0] {
            var status = statvfs()
            #expect(statvfs(disk, &status) == 0)
            let room = Int(status.f_bavail) * Int(status.f_bsize) - free
            let filler = disk + "/filler"
            if room > 0 { try Data(repeating: 1, count: room).write(to: URL(fileURLWithPath: filler)) }
            #expect(await Self.code { _ = try await scene.again() } == "backupFull", "\(free) bytes")
            #expect(try await scene.restored(scene.kept).created == scene.former, "\(free) bytes")
            #expect(try Self.states(scene.kept).count == 1)
            try? FileManager.default.removeItem(atPath: filler)
        }
        let latest = try await scene.again()
        #expect(try await scene.restored(scene.kept).created == latest.created)
    }

    private static func shell(_ program: String, _ arguments: [String]) async throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
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
        #expect(await Self.code { _ = try await scene.restored(scene.kept) } == "backupDamaged")
        let mended = try await scene.again(verifies: true)
        #expect(mended.mended == 1 && mended.copied == 1)
        #expect(try await scene.restored(scene.kept).created == mended.created)
        #expect(try await scene.again(verifies: true).mended == 0)

        // The registry's own copy rots: the backup's good one stays, and a missing one is not made of it.
        try rot(scene.data + "/blobs/sha256/" + file)
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
        let (data, kept) = (scene.data, scene.kept)
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
        #expect(await Self.code { try await Self.run(data, kept) } == "backupInUse")
        close(descriptor)
    }
}
