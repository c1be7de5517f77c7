import AgentStore
import BundleFormat
import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing
import Trust

@testable import AgentEngine

@Suite("An engine's archive that does not unpack")
struct EngineUnpackTests {
    /// A program that stands in the place of the one that unpacks.
    private static func program(_ script: String, in folder: TemporaryFolder) throws -> String {
        let program = folder.file("program")
        try "#!/bin/sh\n\(script)\n".write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        return program
    }

    private func failure(_ script: String, seconds: Int = 60) async throws -> SlotFailure? {
        let folder = try TemporaryFolder("unpack")
        let store = try await AgentStore.open(root: folder.file("data"), budget: DiskBudget(reserve: .zero))
        let build = try await EngineTreesTests.build(folder, store)
        let trees = EngineTrees(
            store: store, confinement: Confinement(mode: .available), program: try Self.program(script, in: folder),
            seconds: seconds)
        var found: SlotFailure?
        do {
            _ = try await trees.program(of: build)
        } catch {
            found = error as? SlotFailure
        }
        #expect(store.blobs.has(build.archive), "a sound archive stays")
        await store.close()
        return found
    }

    @Test(
        "for want of memory or time is tried again after minutes, and its release given up after three in a row",
        arguments: [("kill -KILL $$", "memory is short", 60), ("exec sleep 1000", "after 1 seconds", 1)])
    func hindered(script: String, says: String, seconds: Int) async throws {
        let found = try #require(try await failure(script, seconds: seconds))
        #expect(found.kind == .refused && found.code == "engineUnpackFailed", "\(found)")
        #expect(found.message.contains(says) && found.asked == .seconds(300))
        var machine = try SlotFixtures.committed()
        var now = SlotFixtures.start
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        for count in 1...3 {
            _ = machine.handle(.planned(blobs: [], missing: .zero, installed: false), now: now)
            _ = machine.handle(.verified, now: now)
            _ = machine.handle(.checked, now: now)
            let step = machine.handle(.failed(found), now: now)
            // A rollout stops for what is told as failed.
            #expect(step.reports.map(\.state) == (count == 1 ? [.verifying] : count == 3 ? [.failed] : []))
            guard count < 3 else { continue }
            now = try #require(machine.record.retryAt)
            _ = machine.handle(.woke, now: now)
        }
        #expect(machine.record.phase == .failed && machine.record.current?.id == GenerationID(1))
    }

    @Test("for a fault of the disk is tried again for as long as it takes")
    func disk() async throws {
        let folder = try TemporaryFolder("unpack")
        let file = folder.file("file")
        try Data([1]).write(to: URL(fileURLWithPath: file))
        // Nothing can be made below a file.
        let words = EngineTrees.unpackHere(file, file, limit: .mebibytes(1))
        #expect(words.hasPrefix("storageFailed The engine archive"), "\(words)")
        let found = try #require(try await failure("cat <<'EOF'\n\(words)EOF"))
        #expect(found.kind == .retry && found.code == "storageFailed", "\(found)")
        #expect(found.message.contains("Not a directory"))
    }

    @Test(
        "for what it holds, or does to the program that unpacks it, refuses its release",
        arguments: [
            ("echo 'forbiddenEntry It is a device.'", "It is a device."), ("kill -SEGV $$", "signal 11"),
            ("exit 0", "without a word"), ("echo unpackedx", "without a word"), ("exit 3", "status 3"),
            ("exec cat /dev/zero", "more than"), (#"printf 'bad \033[31mred'"#, "?[31mred"),
        ])
    func refused(script: String, says: String) async throws {
        let found = try #require(try await failure(script))
        #expect(found.kind == .final && found.code == "engineRefused" && found.message.contains(says), "\(found)")
    }

    @Test("because it rotted on the disk is fetched again, also where it still unpacks", arguments: [true, false])
    func rotten(unpacks: Bool) async throws {
        let device = try await DeviceFixture()
        let model = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let scratch = try await AgentStore.open(root: device.folder.file("scratch"))
        let build = try await EngineTreesTests.build(device.folder, scratch)
        let archive = try #require(try await scratch.blobs.document(build.archive, limit: 1 << 20))
        await scratch.close()
        let engine = try device.registry.publishEngine(
            "clinic/llama.cpp/1.0.0", archive: archive, unpacked: build.unpacked)
        try await device.trust.refresh()
        var installer = device.installer(policy: LocalPolicy(otherSlots: ["clinic/*"], engineNamespace: "clinic"))
        let told = Mutex<[Digest]>([])
        installer.rotten = { digest, _ in told.withLock { $0.append(digest) } }
        installer.trees = EngineTrees(store: device.store) { archive, folder, limit in
            // As with an archive without sums, one of whose bytes is another.
            if unpacks {
                try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
                try Data("#!/bin/sh\n".utf8).write(to: URL(fileURLWithPath: folder + "/bin/llama-server"))
                return try FileManager.default.setAttributes(
                    [.posixPermissions: 0o755], ofItemAtPath: folder + "/bin/llama-server")
            }
            let words = EngineTrees.unpackHere(archive, folder, limit: limit)
            guard words == EngineTrees.done else {
                throw SlotFailure(.final, code: "engineRefused", message: words)
            }
        }
        let target = device.target(model, engine)
        let first = try await installer.plan(target, record: SlotRecord(slot: device.slot))
        _ = try await installer.fetch(first)
        let path = device.store.blobs.path(of: build.archive)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 0xff
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        try bytes.write(to: URL(fileURLWithPath: path))
        await #expect { _ = try await installer.stage(first) } throws: {
            ($0 as? SlotFailure)?.kind == .transport && ($0 as? SlotFailure)?.code == "blobRotten"
        }
        #expect(told.withLock { $0 } == [build.archive] && !device.store.blobs.has(build.archive))
        let again = try await installer.plan(target, record: SlotRecord(slot: device.slot))
        #expect(try await installer.fetch(again) == build.size)
        #expect(try await installer.stage(again).record.build?.archive == build.archive)
        await device.close()
    }
}
