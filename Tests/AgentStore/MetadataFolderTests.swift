import AgentStore
import Foundation
import MartletTypes
import TUF
import TestSupport
import Testing

@Suite("The metadata folder")
struct MetadataFolderTests {
    static let roles = [
        "root", "timestamp", "snapshot", "targets", "clinic", "", ".", "..", "/", "../x", "/etc/passwd", "a/b", "a%2Fb",
        "%2e%2e", "?", "#", "?x=#y", " ", "a b", "~", "A", "a", "ä", "日本", "\u{0}", "\n", "clinic-bin-3f", "a.json",
        "root.json", "root.json.new", "*", "$(id)", "\\", "..\\x", String(repeating: "r", count: 190),
        String(repeating: "r", count: 300), String(repeating: "s", count: 300), String(repeating: "/", count: 100),
        String(repeating: "é", count: 4000),
    ]

    let scene: Scene
    let store: FileMetadataStore

    init() async throws {
        scene = try Scene()
        store = try await scene.open().metadata
    }

    @Test("keeps each role apart, whatever its name, and nothing outside of the folder")
    func roles() throws {
        let before = try tree()
        for role in Self.roles {
            #expect(try store.load(role) == nil, "\(role)")
            try store.save(role, Array("{\"of\":\"\(role)\"}".utf8))
        }
        for role in Self.roles {
            #expect(try store.load(role) == Array("{\"of\":\"\(role)\"}".utf8), "\(role)")
        }
        #expect(try RealFileSystem().names(in: scene.layout.metadata).count == Self.roles.count)
        #expect(try tree().filter { !$0.hasPrefix("tuf/") } == before)
        for role in Self.roles {
            try store.remove(role)
            #expect(try store.load(role) == nil, "\(role)")
            try store.remove(role)
        }
        #expect(try RealFileSystem().names(in: scene.layout.metadata).isEmpty)
    }

    @Test("does not take a role for another whose name is the digest under which a long one is kept")
    func digestNames() throws {
        let long = String(repeating: "x", count: 500)
        try store.save(long, [1])
        for name in [Digest.of(Array(long.utf8)).hex, Digest.of(Array(long.utf8)).text] {
            #expect(try store.load(name) == nil)
            try store.save(name, [2])
        }
        #expect(try store.load(long) == [1])
    }

    @Test("gives the received bytes back unchanged, whatever they are")
    func unchanged() throws {
        for bytes in [[], [0], Array("{ }\n\n".utf8), Sample.bytes(100_000, seed: 5)] as [[UInt8]] {
            try store.save("snapshot", bytes)
            #expect(try store.load("snapshot") == bytes)
        }
        #expect(try RealFileSystem().names(in: scene.layout.metadata) == ["snapshot.json"])
    }

    @Test("uses the names that the conformance suite looks for")
    func plainNames() throws {
        for role in ["root", "timestamp", "snapshot", "targets"] {
            try store.save(role, [1])
            #expect(FileManager.default.fileExists(atPath: "\(scene.layout.metadata)/\(role).json"))
        }
    }

    @Test("has the former or the new bytes wherever a save is cut off")
    func atomic() throws {
        try store.save("timestamp", Array("old old".utf8))
        let counting = FaultyFileSystem()
        let spare = try scene.copied()
        try FileMetadataStore(folder: spare.layout.metadata, files: counting).save("timestamp", [1])
        for number in 1...counting.changes.count {
            for fault in [
                FaultyFileSystem.Fault.killed(at: number), .killedAfter(number), .powerCut(at: number),
                .fails(at: number, errno: EIO), .full(from: number),
            ] {
                let copy = try scene.copied()
                let files = FaultyFileSystem(fault, scratch: try copy.scratch())
                let faulty = FileMetadataStore(folder: copy.layout.metadata, files: files)
                try? faulty.save("timestamp", Array("new, longer".utf8))
                let sound = FileMetadataStore(folder: copy.layout.metadata)
                let found = String(decoding: try #require(try sound.load("timestamp")), as: UTF8.self)
                #expect(["old old", "new, longer"].contains(found), "\(fault)")
                try sound.save("timestamp", [3])
                #expect(try sound.load("timestamp") == [3])
                #expect(try RealFileSystem().names(in: copy.layout.metadata) == ["timestamp.json"])
            }
        }
    }

    private func tree() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: scene.folder.path)
            .map { $0.replacingOccurrences(of: "data/", with: "") }.sorted()
    }
}
