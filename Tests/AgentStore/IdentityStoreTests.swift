import AgentStore
import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing

@Suite("The device's identity")
struct IdentityStoreTests {
    let scene: Scene
    let store: AgentStore
    var identity: IdentityStore { store.identity }
    let key = Array("-----BEGIN PRIVATE KEY-----\nsecret\n".utf8)

    init() async throws {
        scene = try Scene()
        store = try await scene.open()
    }

    private func mode(_ name: String) -> UInt32? { store.files.status("\(scene.layout.identity)/\(name)")?.mode }

    @Test("is nothing before enrolment, and says which file is missing")
    func before() throws {
        #expect(try identity.load() == nil)
        let missing = #expect(throws: AgentStoreError.self) { try identity.root() }
        #expect(missing?.reason == .missingFile)
        #expect(missing?.message.contains("root.json") == true)
        let keyless = try Sample.identity(key: "key-1.pem")
        #expect(throws: AgentStoreError.self) { try identity.key(of: keyless) }
    }

    @Test("is readable by the agent's user alone")
    func permissions() throws {
        let name = try identity.keep(key: key)
        try identity.save(try Sample.identity(key: name), root: [1, 2])
        #expect(store.files.status(scene.layout.identity)?.mode == 0o700)
        #expect(mode(name) == 0o600)
        #expect(mode("device.json") == 0o600)
    }

    @Test("keeps a key private from its first byte, whatever an interrupted write left")
    func privateFromTheStart() throws {
        let leftover = "\(scene.layout.identity)/key-1.pem.new"
        try Data([1]).write(to: URL(fileURLWithPath: leftover))
        try store.files.setMode(leftover, 0o644)
        let watching = ModeWatch()
        _ = try IdentityStore(folder: scene.layout.identity, files: watching).keep(key: key)
        #expect(watching.modes.allSatisfy { $0 == 0o600 })
        #expect(!watching.modes.isEmpty)
    }

    @Test("comes back as it was saved, with its key and its root")
    func saved() throws {
        let name = try identity.keep(key: key)
        let device = try Sample.identity(key: name)
        try identity.save(device, root: [1, 2])
        #expect(try identity.load() == device)
        #expect(try identity.key(of: device) == key)
        #expect(try identity.root() == [1, 2])
        #expect(try store.files.names(in: scene.layout.identity) == ["device.json", name, "root.json"].sorted())
    }

    @Test("stays the former one with its own key until a new one is saved; then only the new key is left")
    func renewed() throws {
        let first = try identity.keep(key: key)
        let old = try Sample.identity(key: first)
        try identity.save(old, root: [1])
        let second = try identity.keep(key: [9])
        #expect(second != first)
        // Killed here: the next start finds the former identity.
        #expect(try identity.load() == old)
        #expect(try identity.key(of: old) == key)
        let third = try identity.keep(key: [8])
        #expect(![first, second].contains(third))
        let new = try Sample.identity(key: third, certificate: "second")
        try identity.save(new)
        #expect(try identity.load() == new)
        #expect(try identity.key(of: new) == [8])
        #expect(try identity.root() == [1])
        #expect(try store.files.names(in: scene.layout.identity) == ["device.json", third, "root.json"].sorted())
        #expect(throws: AgentStoreError.self) { try identity.key(of: old) }
    }

    @Test("is the former or the new one, each with its own root, wherever a second enrolment is cut off")
    func enrolledAnew() async throws {
        var former = try Sample.identity(key: try identity.keep(key: key))
        let oldRoot = Array("old root".utf8)
        former.rootDigest = Digest.of(oldRoot)
        try identity.save(former, root: oldRoot)
        let newRoot = Array("new root".utf8)
        func enrol(_ scene: Scene, _ files: FaultyFileSystem) throws {
            let store = IdentityStore(folder: scene.layout.identity, files: files)
            var new = try Sample.identity(key: try store.keep(key: [9]), certificate: "new")
            new.rootDigest = Digest.of(newRoot)
            try store.save(new, root: newRoot)
        }
        let counting = FaultyFileSystem()
        let spare = try scene.copied()
        try enrol(spare, counting)
        for number in 1...counting.changes.count {
            for fault in [FaultyFileSystem.Fault.killed(at: number), .killedAfter(number), .powerCut(at: number)] {
                let copy = try scene.copied()
                try? enrol(copy, FaultyFileSystem(fault, scratch: try copy.scratch()))
                let found = IdentityStore(folder: copy.layout.identity)
                let identity = try #require(try found.load(), "\(fault)")
                let isOld = identity.certificate == "first"
                #expect(try found.key(of: identity) == (isOld ? key : [9]), "\(fault)")
                #expect(try found.root() == (isOld ? oldRoot : newRoot), "\(fault)")
            }
        }
    }

    @Test(
        "that cannot be read is an error that names the file, never a new enrolment",
        arguments: [
            "", "{", "{}", "[]", "{\"device\":\"../x\"}",
        ])
    func damaged(text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: scene.layout.identity + "/device.json"))
        let error = #expect(throws: AgentStoreError.self) { try identity.load() }
        #expect(error?.reason == .malformed)
        #expect(error?.message.contains("device.json") == true)
    }

    @Test(
        "takes its key from its own folder only",
        arguments: [
            "../key-1.pem", "/etc/passwd", "key-/../../x", "device.json", "",
        ])
    func keyNames(name: String) throws {
        #expect(throws: AgentStoreError.self) { try identity.key(of: try Sample.identity(key: name)) }
    }

    @Test("is renewed at two thirds of the certificate's life")
    func renewal() throws {
        let device = try Sample.identity(key: "key-1.pem")
        #expect(device.renewAt - device.notBefore == .seconds(60 * 86_400))
    }

    @Test("never shows the key in an error")
    func noSecret() async throws {
        let files = FaultyFileSystem()
        let faulty = IdentityStore(folder: scene.layout.identity, files: files)
        for number in 1...6 {
            files.set(.fails(at: number, errno: EIO))
            do {
                _ = try faulty.keep(key: key)
            } catch {
                #expect(!"\(error)".contains("secret"))
            }
        }
    }
}

/// Notes the permissions that files get.
private final class ModeWatch: FileSystem {
    private let real = RealFileSystem()
    private let seen = Mutex<[UInt32]>([])

    var modes: [UInt32] { seen.withLock { $0 } }

    func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile {
        let file = try real.open(path, mode)
        let bits = real.status(path)?.mode ?? 0
        seen.withLock { $0.append(bits) }
        return file
    }

    func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError) {
        try real.setMode(path, mode)
        seen.withLock { $0.append(mode) }
    }

    func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError) { try real.makeFolder(path, mode: mode) }
    func rename(_ source: String, to target: String) throws(AgentStoreError) { try real.rename(source, to: target) }
    func remove(_ path: String) throws(AgentStoreError) { try real.remove(path) }
    func link(_ path: String, to destination: String) throws(AgentStoreError) { try real.link(path, to: destination) }
    func destination(of path: String) -> String? { real.destination(of: path) }
    func names(in path: String) throws(AgentStoreError) -> [String] { try real.names(in: path) }
    func status(_ path: String) -> FileStatus? { real.status(path) }
    func synchronizeFolder(_ path: String) throws(AgentStoreError) { try real.synchronizeFolder(path) }
    func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount { try real.freeSpace(path) }
}
