import AgentStore
import Foundation
import Glibc
import MartletAPI
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

@Suite("Copies of programs")
struct ProgramCopiesTests {
    @Test("are hashed and written where files may block: neither the pool nor an event loop waits for a card")
    func thread() async throws {
        let device = try await DeviceFixture()
        let bytes = Array("#!/bin/sh\n".utf8)
        let digest = Digest.of(bytes)
        let record = try await SlotFixtures.program(
            bytes, SlotFixtures.target("99.0.0", generation: 1), in: device.store)
        var saved = SlotRecord(slot: record.slot)
        saved.current = record
        saved.phase = .committed
        try await device.store.journal.save(saved, transition: nil)
        let files = WatchedFiles()
        let folder = ProgramFolder(data: device.folder.path, files: files)
        let programs = AgentPrograms(
            folder: folder, running: nil, installed: "/installed", trialSeconds: 5,
            describe: { _ in throw NeverTrue(description: "asked") }, restart: {})
        let program = try AgentPrograms.program(of: record)
        try folder.bring(program, from: device.store.blobs.path(of: digest))
        try folder.point(to: program)
        let copy = folder.path(of: digest)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: copy)
        try Data("rot".utf8).write(to: URL(fileURLWithPath: copy))
        files.forgetThreads()
        var scrub = BlobScrub(
            store: device.store, installer: device.installer(), clock: device.clock, interval: .milliseconds(1),
            logger: AgentLog.silent)
        scrub.programs = programs
        let scrubbing = scrub
        let task = Task { try await scrubbing.run() }
        try await eventually(within: 30, "it is made anew") {
            try await device.reports().map(\.code) == ["blobRotten", "blobMended"]
        }
        task.cancel()
        _ = await task.result
        #expect(folder.isSound(digest))
        let own = await ThreadProbe().id()
        let seen = files.threads
        #expect(!seen.isEmpty && seen == [own])
        await device.close()
    }

    @Test("and unpacked engines that cannot be removed keep nothing beside them, and are told of in the end")
    func stuck() async throws {
        let folder = try TemporaryFolder("stuck")
        let files = WatchedFiles()
        let store = try await AgentStore.open(root: folder.file("data"), files: files)
        let trees = EngineTrees(store: store) { _, _, _ in }
        let programs = folder.file("data") + "/agent/programs"
        for parent in [store.layout.engines, programs] {
            for name in ["a", "b", "c"] {
                let place = "\(parent)/\(name)"
                try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
                try Data([1]).write(to: URL(fileURLWithPath: place + "/file"))
            }
            files.hold(parent + "/a/file")
            await #expect {
                if parent == programs {
                    try ProgramFolder(data: folder.file("data"), files: files).collect(keeping: [])
                } else {
                    try await trees.collect(keeping: [])
                }
            } throws: {
                ($0 as? AgentStoreError)?.reason == .storageFailed
            }
            #expect(try files.names(in: parent) == ["a"])
        }
        await store.close()
    }
}

/// Tells the programs' own thread.
private actor ThreadProbe {
    nonisolated var unownedExecutor: UnownedSerialExecutor { StorageThread.programs.asUnownedSerialExecutor() }

    func id() -> pthread_t { pthread_self() }
}
