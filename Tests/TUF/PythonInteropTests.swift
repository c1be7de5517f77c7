import Foundation
import MartletTypes
import TUF
import TestSupport
import Testing

/// A repository in a folder, as python-tuf writes it.
struct FolderFetcher: MetadataFetcher {
    let folder: String

    func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        FileManager.default.contents(atPath: folder + "/" + path).map(Array.init)
    }
}

@Suite("The reference implementation")
struct PythonInteropTests {
    static let now = RepositorySimulator.start

    /// What `expected.json` beside a repository says.
    struct Expected: Decodable {
        let targets: [String: String]
        let absent: [String]
        let keyids: [String: JSONValue]
    }

    /// A Python with python-tuf; where this machine cannot have one the test ends with the reason.
    static func python() async throws -> String? {
        let made = try await run("/bin/bash", [Checkout.fixture("tuf/python-env.sh")])
        guard made.status == 0 else {
            print("skipped: python-tuf is not available: \(made.errors)")
            #if compiler(>=6.3)
                try Test.cancel("python-tuf is not available: \(made.errors)")
            #else
                return nil
            #endif
        }
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    static func expectFinds(_ folder: String) async throws {
        let expected = try JSONText.decode(
            Expected.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json")))
        let anchor = Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/1.root.json")))
        let client = try TUFClient(
            trustedRoot: anchor, fetcher: FolderFetcher(folder: folder), store: InMemoryMetadataStore())
        try await client.refresh(now: now)
        #expect(await client.versions == (2, 7, 5))
        for (path, hash) in expected.targets {
            #expect(try await client.target(path)?.hashes["sha256"] == hash, "\(path)")
        }
        for path in expected.absent { #expect(try await client.target(path) == nil, "\(path)") }
        for (keyID, json) in expected.keyids {
            #expect(try PublicKey(json: json).keyID == keyID)
            #expect(await client.root.keys[keyID]?.json == json)
        }
        let file = try #require(try await client.target("top.txt"))
        try file.check(Array("content of top.txt".utf8), path: "top.txt")
        #expect(file.custom?["text"]?.string == "zweizeilig\n\tü \\ \"")
    }

    @Test("its repository that is checked in is read: every key type, delegation and odd text")
    func fixture() async throws {
        try await Self.expectFinds(Checkout.fixture("tuf/python-tuf"))
    }

    @Test("its repository that is checked in is refused in any file in which a digit changed")
    func tamperedFixture() async throws {
        let source = Checkout.fixture("tuf/python-tuf")
        for file in ["2.root.json", "timestamp.json", "5.snapshot.json", "3.targets.json"] {
            let folder = try TemporaryFolder("tuf")
            let copy = folder.file("repository")
            try FileManager.default.copyItem(atPath: source, toPath: copy)
            var text = try String(contentsOfFile: copy + "/" + file, encoding: .utf8)
            text = text.replacing("2049-12-31", with: "2049-12-30")
            try text.write(toFile: copy + "/" + file, atomically: true, encoding: .utf8)
            let anchor = Array(try Data(contentsOf: URL(fileURLWithPath: copy + "/1.root.json")))
            let client = try TUFClient(
                trustedRoot: anchor, fetcher: FolderFetcher(folder: copy), store: InMemoryMetadataStore())
            let refused = await reason { try await client.refresh(now: Self.now) }
            #expect(refused == .badSignature || refused == .hashMismatch, "\(file)")
        }
    }

    @Test("a repository that it writes now is read")
    func live() async throws {
        guard let python = try await Self.python() else { return }
        let folder = try TemporaryFolder("tuf")
        let made = try await run(python, [Checkout.fixture("tuf/python_tuf.py"), "make", folder.file("r")])
        #expect(made.status == 0, "\(made.errors)")
        try await Self.expectFinds(folder.file("r"))
    }

    @Test("its client finds in a repository of ours what ours finds, with every key type and after rotations")
    func ours() async throws {
        guard let python = try await Self.python() else { return }
        let repository = try NamespaceLayoutTests.repository([
            ("clinic", [try TestSigner(), try TestSigner(.p256)], 2), ("shop", [try TestSigner(.rsaPSS256)], 1),
        ])
        let odd = "clinic/odd/1.0.0"
        for path in ["clinic/triage/1.2.0", "clinic/a/b/2.0.0-rc.1", odd] {
            try NamespaceLayoutTests.publish(path, in: "clinic", repository)
        }
        try repository.update(NamespaceLayout("clinic").bin(for: odd)) {
            $0.targets[odd]?.custom = .object(["text": .string("ü\n\u{1}\"\\/\u{1F426}"), "n": .integer(-1)])
        }
        try NamespaceLayoutTests.publish("shop/stock/1.0.0", in: "shop", repository)
        for role in TopLevelRole.allCases {
            try repository.rotate(role, to: [TestSigner(.p384), TestSigner(.rsaPSS512)], threshold: 2)
        }
        try repository.update()

        let folder = try TemporaryFolder("tuf")
        for (path, bytes) in repository.files {
            try Data(bytes).write(to: URL(fileURLWithPath: folder.file(path)))
        }
        let paths = [
            "clinic/triage/1.2.0", "clinic/a/b/2.0.0-rc.1", odd, "shop/stock/1.0.0", "clinic/none/1.0.0",
            "clinic/1.0.0", "other/x/1.0.0",
        ]
        let checked = try await run(
            python, [Checkout.fixture("tuf/python_tuf.py"), "check", folder.path, "\(Self.now.seconds)"] + paths)
        #expect(checked.status == 0, "\(checked.errors)")
        let theirs = try JSONText.decode([String: String?].self, from: Array(checked.output.utf8))
        let client = try repository.client()
        try await client.refresh(now: Self.now)
        for path in paths {
            let found = try await client.target(path)?.hashes["sha256"]
            #expect(theirs[path] == .some(found), "\(path)")
        }
        #expect(theirs.values.filter { $0 != nil }.count == 4)
    }
}
