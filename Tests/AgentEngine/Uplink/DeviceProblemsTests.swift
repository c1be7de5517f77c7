import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import Synchronization
import TestSupport
import Testing

@testable import AgentEngine

@Suite("What is wrong with a device as a whole")
struct DeviceProblemsTests {
    private let cause = (code: "metadataExpired", message: "The timestamp expired.", remedy: "Sign it.")
    private let ended = (code: "metadataFollowed", message: "It is followed again.")

    private func problems(_ device: DeviceFixture) -> DeviceProblems {
        DeviceProblems(journal: device.store.journal, clock: device.clock, logger: AgentLog.silent)
    }

    @Test("A cause is reported once until it changes or ends, over restarts of the agent")
    func once() async throws {
        let device = try await DeviceFixture()
        let first = problems(device)
        #expect(await first.all().isEmpty)
        await first.note(nil, about: .metadata, ended: ended)
        await first.note(cause, about: .metadata, ended: ended)
        await first.note(cause, about: .metadata, ended: ended)
        let told = await first.all()
        #expect(told.map(\.code) == ["metadataExpired"])
        let second = problems(device)
        #expect(await second.all() == told)
        await second.note(cause, about: .metadata, ended: ended)
        await second.note((code: "metadataRollback", message: "Older.", remedy: ""), about: .metadata, ended: ended)
        #expect(try await device.reports().map(\.code) == ["metadataExpired", "metadataRollback"])
        await second.note(nil, about: .metadata, ended: ended)
        await second.note(nil, about: .metadata, ended: ended)
        #expect(await second.all().isEmpty)
        #expect(await problems(device).all().isEmpty)
        let reports = try await device.reports()
        #expect(reports.map(\.code) == ["metadataExpired", "metadataRollback", "metadataFollowed"])
        #expect(reports.last?.message?.contains("Older.") == true)
        await device.close()
    }

    @Test("The status and the inventory carry it")
    func shown() async throws {
        let device = try await DeviceFixture()
        let problems = problems(device)
        await problems.note(cause, about: .metadata, ended: ended)
        let inventory = try await InventorySource(
            store: device.store, hardware: device.hardware, problems: problems, snapshots: { [] }
        ).inventory()
        #expect(inventory.problems?.map(\.code) == ["metadataExpired"])
        let status = try await StatusSource(
            store: device.store, profile: "generic", clock: device.clock, gateway: { "127.0.0.1:1" },
            problems: problems, snapshots: { [] }
        ).status()
        #expect(status.agent.problems == inventory.problems)
        #expect(try AgentStatus(lines: try status.lines()) == status)
        await device.close()
    }

    @Test("A disk that takes no writes is told of, tried again, and its end reported")
    func store() async throws {
        let device = try await DeviceFixture()
        await device.close()
        // A copy: the store of the fixture has the folder's lock for as long as it lives.
        let copy = try TemporaryFolder("ro")
        let root = copy.file("data")
        try FileManager.default.copyItem(atPath: device.folder.path, toPath: root)
        let files = RefusingFiles()
        let store = try await AgentStore.open(root: root, files: files)
        #expect(store.health.isSuspended)
        let problems = DeviceProblems(journal: store.journal, clock: device.clock, logger: AgentLog.silent)
        let resumed = Mutex(0)
        let watch = StoreWatch(
            store: store, problems: problems, interval: .milliseconds(20), logger: AgentLog.silent,
            resumed: { resumed.withLock { $0 += 1 } })
        let running = Task { try await watch.run() }
        try await eventually(within: 30, "it is told of") { await problems.all().map(\.code) == ["storeReadOnly"] }
        #expect(try await store.journal.reports(limit: 9).isEmpty)
        files.refuses.withLock { $0 = false }
        try await eventually(within: 30, "it is over") { await problems.all().isEmpty }
        #expect(resumed.withLock { $0 } == 1 && !store.health.isSuspended)
        let reports = try await store.journal.reports(limit: 9).compactMap(ReportBody.read)
        #expect(reports.map(\.code) == ["storeWritable"])
        #expect(reports.first?.message?.contains("It began at") == true)
        running.cancel()
        try await running.value
        await store.close()
        try FileManager.default.removeItem(atPath: store.layout.run)
    }
}

/// The machine's file system, which refuses every change for as long as it is told to.
private final class RefusingFiles: FileSystem {
    let refuses = Mutex(true)
    private let real = RealFileSystem()

    private func allow(_ path: String) throws(AgentStoreError) {
        guard refuses.withLock({ $0 }) else { return }
        throw AgentStoreError(errno: EROFS, "change", path)
    }

    func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile {
        if case .read = mode { return try real.open(path, mode) }
        try allow(path)
        return try real.open(path, mode)
    }

    func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError) {
        // As the kernel does it: one that is there is no change.
        if real.status(path) == nil { try allow(path) }
        try real.makeFolder(path, mode: mode)
    }

    func rename(_ source: String, to target: String) throws(AgentStoreError) {
        try allow(target)
        try real.rename(source, to: target)
    }

    func remove(_ path: String) throws(AgentStoreError) {
        try allow(path)
        try real.remove(path)
    }

    func link(_ path: String, to destination: String) throws(AgentStoreError) {
        try allow(path)
        try real.link(path, to: destination)
    }

    func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError) {
        try allow(path)
        try real.setMode(path, mode)
    }

    func destination(of path: String) -> String? { real.destination(of: path) }
    func names(in path: String) throws(AgentStoreError) -> [String] { try real.names(in: path) }
    func status(_ path: String) -> FileStatus? { real.status(path) }
    func synchronizeFolder(_ path: String) throws(AgentStoreError) { try real.synchronizeFolder(path) }
    func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount { try real.freeSpace(path) }
}
