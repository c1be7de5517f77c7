import AgentEngine
import AgentStore
import BundleFormat
import Foundation
import Glibc
import MartletTypes
import Synchronization
import TestSupport
import Testing

@Suite("Engines that came as releases")
struct EngineTreesTests {
    /// A build of a single program, whose archive is in the store.
    static func build(_ folder: TemporaryFolder, _ store: AgentStore, server: Bool = true) async throws -> EngineBuild {
        let root = folder.file("build-\(server)")
        try FileManager.default.createDirectory(atPath: root + "/bin", withIntermediateDirectories: true)
        #expect(
            FileManager.default.createFile(
                atPath: root + (server ? "/bin/llama-server" : "/bin/other"), contents: Data("#!/bin/sh\n".utf8),
                attributes: [.posixPermissions: 0o755]))
        let archive = folder.file("archive-\(server)")
        let packed = try EngineTree.pack(root, to: archive)
        let bytes = [UInt8](try #require(FileManager.default.contents(atPath: archive)))
        try await store.blobs.put(bytes, as: .of(bytes))
        return EngineBuild(
            name: "llama.cpp", version: try SemanticVersion("0.7.0"), archive: .of(bytes),
            size: ByteCount(bytes.count), unpacked: packed.unpacked)
    }

    private func trees(_ store: AgentStore, unpacked: @escaping @Sendable () throws -> Void = {}) -> EngineTrees {
        EngineTrees(store: store) { archive, folder, limit in
            let output = EngineTrees.unpackHere(archive, folder, limit: limit)
            guard output == EngineTrees.done else { throw NeverTrue(description: output) }
            try unpacked()
        }
    }

    @Test("a build is unpacked once, stays whole over an interrupted try, and goes when nothing needs it")
    func life() async throws {
        let folder = try TemporaryFolder("trees")
        let store = try await AgentStore.open(root: folder.file("data"))
        let build = try await Self.build(folder, store)
        let count = Mutex(0)
        let failing = trees(store) { throw NeverTrue(description: "power cut") }
        await #expect(throws: SlotFailure.self) { _ = try await failing.program(of: build) }
        let trees = trees(store) { count.withLock { $0 += 1 } }
        let program = try await trees.program(of: build)
        #expect(FileManager.default.isExecutableFile(atPath: program))
        #expect(try await trees.program(of: build) == program)
        #expect(count.withLock { $0 } == 1)
        try await trees.collect(keeping: [build.archive])
        #expect(FileManager.default.fileExists(atPath: program))
        try await trees.collect(keeping: [])
        #expect(!FileManager.default.fileExists(atPath: program))
        await store.close()
    }

    @Test("a build that is unpacked starts while another is being unpacked, and while the disk's thread is at work")
    func meanwhile() async throws {
        let folder = try TemporaryFolder("trees")
        let store = try await AgentStore.open(root: folder.file("data"))
        let build = try await Self.build(folder, store)
        var other = try await Self.build(folder, store, server: false)
        other.name = "other"
        let isHeld = Mutex(false)
        let isEntered = Mutex(false)
        let trees = EngineTrees(store: store) { archive, folder, limit in
            while isHeld.withLock({ $0 }) {
                isEntered.withLock { $0 = true }
                try await Task.sleep(for: .milliseconds(5))
            }
            guard EngineTrees.unpackHere(archive, folder, limit: limit) == EngineTrees.done else {
                throw NeverTrue(description: "unpacked")
            }
        }
        let program = try await trees.program(of: build)
        isHeld.withLock { $0 = true }
        let second = other
        let unpacking = Task { try await trees.program(of: second) }
        try await eventually(within: 30, "the other is being unpacked") { isEntered.withLock { $0 } }
        let isFree = Mutex(false)
        let isBlocked = Mutex(false)
        let blocked = Task {
            await BusyThread().block {
                isBlocked.withLock { $0 = true }
                return isFree.withLock { $0 }
            }
        }
        try await eventually(within: 30, "the disk's thread is at work") { isBlocked.withLock { $0 } }
        // It would not return: the unpacking goes on only afterwards.
        let starting = Task { try await trees.program(of: build) }
        let isStarted = Mutex(false)
        let watching = Task {
            _ = try await starting.value
            isStarted.withLock { $0 = true }
        }
        try await eventually(within: 10, "the first has its program") { isStarted.withLock { $0 } }
        #expect(try await starting.value == program)
        isFree.withLock { $0 = true }
        isHeld.withLock { $0 = false }
        await blocked.value
        try await watching.value
        await #expect(throws: SlotFailure.self) { _ = try await unpacking.value }
        await store.close()
    }

    @Test("a byte, a mode or a file that is not what was unpacked is seen, and the build unpacked anew")
    func rot() async throws {
        let folder = try TemporaryFolder("trees")
        let store = try await AgentStore.open(root: folder.file("data"))
        let build = try await Self.build(folder, store)
        let trees = trees(store)
        #expect(try await trees.isWhole(build), "what is not unpacked does not rot")
        let program = try await trees.program(of: build)
        let tree = String(program.dropLast("/bin/llama-server".count))
        let files = FileManager.default
        let damages: [@Sendable () throws -> Void] = [
            { try Data("#!/bin/sx\n".utf8).write(to: URL(fileURLWithPath: program)) },
            { try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: program) },
            { try FileManager.default.removeItem(atPath: program) },
            { try Data().write(to: URL(fileURLWithPath: tree + "/bin/more")) },
            { try FileManager.default.createSymbolicLink(atPath: tree + "/bin/l", withDestinationPath: "x") },
            { try FileManager.default.removeItem(atPath: tree + ".sum") },
        ]
        for damage in damages {
            #expect(try await trees.isWhole(build))
            try damage()
            #expect(try await !trees.isWhole(build))
            try await trees.renew(build)
            #expect(files.contents(atPath: program) == Data("#!/bin/sh\n".utf8))
            #expect(try await trees.program(of: build) == program)
        }
        try await trees.collect(keeping: [build.archive])
        #expect(try await trees.isWhole(build))
        await store.close()
    }

    @Test("a build counts in full until it is unpacked, and what is unpacked counts as used, torn tries removed")
    func room() async throws {
        let folder = try TemporaryFolder("trees")
        let store = try await AgentStore.open(
            root: folder.file("data"), budget: DiskBudget(limit: .mebibytes(1), reserve: .zero))
        let build = try await Self.build(folder, store)
        let before = try await store.blobs.usage()
        let failing = trees(store) { throw NeverTrue(description: "power cut") }
        await #expect(throws: SlotFailure.self) { _ = try await failing.program(of: build) }
        #expect(try await store.blobs.usage() > before, "what a torn try left takes room")
        let trees = trees(store)
        #expect(try await trees.room(for: build) == build.unpacked)
        #expect(try await store.blobs.usage() == before)
        _ = try await trees.program(of: build)
        #expect(try await trees.room(for: build) == .zero)
        let used = try await store.blobs.usage()
        #expect(used >= before + build.unpacked)
        #expect(try await store.blobs.room() == .mebibytes(1) - used)
        try await trees.collect(keeping: [])
        #expect(try await store.blobs.usage() == before)
        await store.close()
    }

    @Test("a build without a server, and one whose archive is not there, are refused by name")
    func refused() async throws {
        let folder = try TemporaryFolder("trees")
        let store = try await AgentStore.open(root: folder.file("data"))
        var build = try await Self.build(folder, store, server: false)
        let trees = trees(store)
        await #expect { _ = try await trees.program(of: build) } throws: {
            ($0 as? SlotFailure)?.code == "engineMissing"
        }
        build.archive = .of([1, 2, 3])
        await #expect { _ = try await trees.program(of: build) } throws: { ($0 as? SlotFailure)?.code == "blobMissing" }
        await store.close()
    }
}

/// Keeps the thread of blobs at work, as a file does that is hashed from a slow card.
private actor BusyThread {
    nonisolated var unownedExecutor: UnownedSerialExecutor { StorageThread.blobs.asUnownedSerialExecutor() }

    /// Asks `isOver` again and again, on that thread.
    func block(until isOver: () -> Bool) {
        let end = ContinuousClock.now + .seconds(60)
        while !isOver(), ContinuousClock.now < end { usleep(1000) }
    }
}
