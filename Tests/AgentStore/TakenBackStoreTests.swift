import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing
import Trust

@Suite("The memory of what was taken back")
struct TakenBackStoreTests {
    private static func note(_ version: String, _ number: Int64, in store: AgentStore) async throws {
        let floor = ReleaseFloor(version: try SemanticVersion(version), number: number, reason: "")
        let repository = try RepositoryName("clinic/triage")
        try await store.takenBack.update { $0.note(floor, of: repository) }
    }

    private static func floor(_ store: AgentStore) throws -> String? {
        store.takenBack.current.floors[try RepositoryName("clinic/triage")]?.version.text
    }

    /// An agent's life: the folder is free again afterwards.
    private static func run<Value>(
        _ folder: TemporaryFolder, files: any FileSystem = RealFileSystem(), _ body: (AgentStore) async throws -> Value
    ) async throws -> Value {
        let store = try await AgentStore.open(root: folder.path, files: files)
        let value = try await body(store)
        await store.close()
        return value
    }

    @Test(
        "outlasts the loss or the damage of either copy, and is whole again afterwards",
        arguments: ["nothing", "journal", "file", "torn file", "unreadable file"])
    func copies(_ loss: String) async throws {
        let folder = try TemporaryFolder("taken")
        let layout = try await Self.run(folder) { store in
            try await Self.note("1.4.0", 1, in: store)
            return store.layout
        }
        let file = layout.takenBack
        switch loss {
        case "journal": try FileManager.default.removeItem(atPath: layout.journal)
        case "file": try FileManager.default.removeItem(atPath: file)
        case "torn file": try Data(#"{"floors":{"clin"#.utf8).write(to: URL(fileURLWithPath: file))
        case "unreadable file":
            // Nothing can be written there; that must not keep a device from starting with what the journal has.
            try FileManager.default.removeItem(atPath: file)
            try FileManager.default.createDirectory(atPath: file + "/x", withIntermediateDirectories: true)
            #expect(try await Self.run(folder, Self.floor) == "1.4.0")
            try FileManager.default.removeItem(atPath: file)
        default: break
        }
        let (floor, fact) = try await Self.run(folder) { store in
            (try Self.floor(store), try await store.journal.fact("takenBack"))
        }
        #expect(floor == "1.4.0" && fact != nil)
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test("takes the newer of two copies that differ")
    func newer() async throws {
        let folder = try TemporaryFolder("taken")
        let (file, old) = try await Self.run(folder) { store in
            try await Self.note("1.4.0", 1, in: store)
            let file = store.layout.takenBack
            let old = try Data(contentsOf: URL(fileURLWithPath: file))
            try await Self.note("1.6.0", 2, in: store)
            return (file, old)
        }
        try old.write(to: URL(fileURLWithPath: file))
        #expect(try await Self.run(folder, Self.floor) == "1.6.0")
    }

    @Test("does not count what the disk did not take, at any write", arguments: 1...8)
    func faults(at change: Int) async throws {
        let folder = try TemporaryFolder("taken")
        let files = FaultyFileSystem()
        try await Self.run(folder, files: files) { (store) async throws -> Void in
            try await Self.note("1.4.0", 1, in: store)
            files.set(.fails(at: change, errno: EIO))
            do {
                try await Self.note("1.6.0", 2, in: store)
                #expect(try Self.floor(store) == "1.6.0")
            } catch {
                #expect(try Self.floor(store) == "1.4.0")
            }
            files.set(.none)
        }
        let found = try await Self.run(folder, Self.floor)
        #expect(["1.4.0", "1.6.0"].contains(found))
    }

    @Test("loses no note of many that come at once")
    func concurrent() async throws {
        let folder = try TemporaryFolder("taken")
        try await Self.run(folder) { (store) async throws -> Void in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        let path = try ReleasePath("clinic/triage/\(number).0.0")
                        try await store.takenBack.update { $0.noteYank(path, at: .init(versions: ["clinic": number])) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(store.takenBack.current.yanked.count == 20)
        }
        #expect(try await Self.run(folder) { $0.takenBack.current.yanked.count } == 20)
    }
}
