import Foundation
import RegistryAssets
import TestSupport
import Testing
import embed_assets

@Suite("Assets become Swift source that means the same bytes")
struct EmbeddingTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("embed")
    }

    private func write(_ text: String, to path: String) throws {
        try write(Data(text.utf8), to: path)
    }

    private func write(_ data: Data, to path: String) throws {
        let url = folder.url.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: url)
    }

    @Test("what is embedded in this build is what stands in the folders")
    func roundTrip() throws {
        let root = SourceTree.own.root
        for path in try RegistryFolder(root: root).paths() {
            let data = try Data(contentsOf: root.appendingPathComponent("registry/\(path)"))
            let embedded =
                RegistryAssets.text(path).map { Data($0.utf8) }
                ?? RegistryAssets.base64Files[path].flatMap { Data(base64Encoded: $0) }
            #expect(embedded == data, "\(path)")
        }
        let count = RegistryAssets.files.count + RegistryAssets.base64Files.count
        #expect(try RegistryFolder(root: root).paths().count == count)
        #expect(RegistryAssets.text("migrations/none.sql") == nil)
        #expect(RegistryAssets.paths(under: "migrations").allSatisfy { $0.hasPrefix("migrations/") })
    }

    @Test(
        "a literal has more number signs than its text",
        arguments: [("a", "#"), ("a#b", "##"), (##"""#"##, "##"), ("### title\n\\##(x)", "####"), ("", "#")]
    )
    func literals(text: String, hashes: String) {
        #expect(SwiftLiteral.multiline(text) == "\(hashes)\"\"\"\n\(text)\n\"\"\"\(hashes)")
        #expect(SwiftLiteral.inline(text).hasPrefix(hashes + "\""))
    }

    @Test(
        "text that a literal would change is not written as text",
        arguments: ["a\r\nb", "a\0", "\u{7F}", "\u{1B}[0m"]
    )
    func noLiteral(text: String) {
        #expect(SwiftLiteral.multiline(text) == nil)
    }

    @Test("text goes in as text, the rest as base64, and what is for readers stays out")
    func registryFolder() throws {
        try write("CREATE TABLE a (b TEXT);\n", to: "registry/migrations/0001_init.sql")
        try write("0\n", to: "registry/migrations/LOCK")
        try write("# notes\n", to: "registry/templates/README.md")
        try write(Data([0xFF, 0x00, 0x01]), to: "registry/static/icons/dot.png")
        try write("x", to: "registry/static/.hidden")
        let registry = RegistryFolder(root: folder.url)
        #expect(try registry.paths() == ["migrations/0001_init.sql", "static/icons/dot.png"])
        let source = try registry.source()
        #expect(source.contains("#\"migrations/0001_init.sql\"#: #\"\"\"\nCREATE TABLE a (b TEXT);\n\n\"\"\"#,"))
        #expect(source.contains("#\"static/icons/dot.png\"#: #\"/wAB\"#,"))
    }

    @Test("a profile becomes compact JSON with sorted keys")
    func profile() throws {
        try write(
            "name: box\nmemory: 512\nshare: 0.5\nboards: [a, \"1\"]\ngpu: false\nnote: ~\n",
            to: "device-profiles/box.yaml"
        )
        let profiles = ProfileFolder(root: folder.url)
        #expect(try profiles.names() == ["box"])
        #expect(
            try profiles.json("box")
                == #"{"boards":["a","1"],"gpu":false,"memory":512,"name":"box","note":null,"share":0.5}"#
        )
        #expect(try profiles.source().contains("(name: #\"box\"#, json: #\"\"\"\n{\"boards\""))
    }

    @Test(
        "a profile that is no JSON in YAML's clothes is refused by name",
        arguments: [
            ("a: [1", "notYAML"), ("- a\n- b\n", "notAMapping"), ("", "notAMapping"),
            ("since: 2026-01-02\n", "notJSON"), ("list: [{when: 2026-01-02}]\n", "notJSON"),
        ]
    )
    func badProfile(yaml: String, code: String) throws {
        try write(yaml, to: "device-profiles/bad.yaml")
        let error = #expect(throws: EmbedError.self) { try ProfileFolder(root: folder.url).json("bad") }
        #expect(error?.code == code)
        #expect(error?.path == "device-profiles/bad.yaml")
    }

    @Test("a generated file is current only byte for byte")
    func currency() throws {
        let file = GeneratedFile(path: "registry/Assets.generated.swift", contents: "let a = 1\n")
        #expect(!file.isCurrent(root: folder.url))
        try file.write(root: folder.url)
        #expect(file.isCurrent(root: folder.url))
        try write("let a = 1", to: file.path)
        #expect(!file.isCurrent(root: folder.url))
    }

    @Test("a locked migration may not change, vanish or be overtaken")
    func lock() throws {
        let lock = MigrationLock(root: folder.url)
        try write("one", to: "registry/migrations/0001_one.sql")
        #expect(try lock.append() == ["0001_one.sql"])
        try write("two", to: "registry/migrations/0002_two.sql")
        #expect(try lock.problems() == [])
        #expect(try lock.append() == ["0002_two.sql"])
        #expect(try lock.entries().map(\.name) == ["0001_one.sql", "0002_two.sql"])
        #expect(try lock.append() == [])

        try write("changed", to: "registry/migrations/0001_one.sql")
        #expect(try lock.problems() == ["0001_one.sql has shipped and may not change; write a new migration"])
        #expect(throws: EmbedError.self) { try lock.append() }

        try FileManager.default.removeItem(at: folder.url.appendingPathComponent("registry/migrations/0001_one.sql"))
        #expect(
            try lock.problems() == [
                "LOCK must name the first 2 migrations in their order", "0002_two.sql must start with 0001_",
            ]
        )
    }

    @Test("a line of the lock that is no hash and name is refused")
    func badLock() throws {
        try write("abc  0001_one.sql\n", to: "registry/migrations/LOCK")
        #expect(throws: EmbedError.self) { try MigrationLock(root: folder.url).entries() }
    }
}
