import Foundation
import Testing

@Suite("The layer graph finds what it forbids")
struct LayerGraphTests {
    /// A manifest of targets and their dependencies, in the form that SwiftPM dumps.
    private func manifest(_ targets: [String: [Manifest.Dependency]]) -> Manifest {
        Manifest(
            targets: targets.map { name, dependencies in
                Manifest.Target(name: name, type: "regular", path: nil, exclude: nil, dependencies: dependencies)
            }
        )
    }

    private func ours(_ names: String...) -> [Manifest.Dependency] { names.map { .ours($0) } }

    @Test("a target that imports lower layers only passes")
    func lower() {
        let graph = manifest(["MartletTypes": ours("CLibcrypto"), "GGUF": ours("MartletTypes"), "CLibcrypto": []])
        #expect(LayerGraph.findings(in: graph).isEmpty)
    }

    @Test(
        "upward, sideways, unknown and homeless imports are found",
        arguments: [
            ("GGUF", Manifest.Dependency.ours("Trust")), ("GGUF", .ours("TUF")), ("GGUF", .ours("Mystery")),
            ("Mystery", .ours("GGUF")),
            ("AgentStore", .product("GRDB")), ("AgentEngine", .ours("CSQLite")),
            ("RegistryClient", .product("Hummingbird")),
        ]
    )
    func forbidden(target: String, dependency: Manifest.Dependency) {
        #expect(LayerGraph.findings(in: manifest([target: [dependency]])).count == 1)
    }

    @Test("what a program must not reach is found through any number of steps")
    func walls() {
        let graph = manifest([
            "martlet-agent": ours("AgentEngine"), "AgentEngine": ours("Telemetry"), "Telemetry": ours("MartletTypes"),
            "MartletTypes": [.product("Yams")],
        ])
        #expect(
            LayerGraph.findings(in: graph).map(\.what) == [
                "MartletTypes may not import Yams", "martlet-agent must not reach Yams",
            ]
        )
    }

    @Test("an import that is not declared and a declaration that is not imported are found")
    func imports() {
        let graph = manifest([
            "GGUF": ours("MartletTypes", "CLibcrypto"), "MartletTypes": [], "Trust": [], "CLibcrypto": [],
        ])
        let file = SourceFile(
            path: "Sources/GGUF/Reader.swift",
            text: "import MartletTypes\nimport Trust\nimport Glibc\n"
        )
        #expect(
            LayerGraph.findings(imports: [file], manifest: graph).map(\.what) == [
                "GGUF imports Trust without declaring it", "GGUF declares CLibcrypto and never imports it",
            ]
        )
    }

    @Test("full Foundation is found in what the agent links, and allowed elsewhere")
    func foundation() {
        let graph = manifest(["martlet-agent": ours("Telemetry"), "Telemetry": [], "RegistryServer": []])
        let files = [
            SourceFile(path: "Sources/Telemetry/Heavy.swift", text: "package import Foundation"),
            SourceFile(path: "Sources/Telemetry/Light.swift", text: "import FoundationEssentials"),
            SourceFile(path: "Sources/RegistryServer/Page.swift", text: "import Foundation"),
        ]
        #expect(
            LayerGraph.foundationFindings(files, manifest: graph).map(\.what) == [
                "Sources/Telemetry/Heavy.swift is linked by the agent; import FoundationEssentials at most"
            ]
        )
    }

    @Test("a manifest is read as SwiftPM dumps it")
    func decoding() throws {
        let json = """
            {"name": "martlet", "targets": [{"name": "GGUF", "type": "regular", "exclude": ["README.md"],
            "settings": [], "dependencies": [{"byName": ["MartletTypes", null]},
            {"product": ["NIOCore", "swift-nio", null, null]}, {"target": ["CZstd", null]}]}]}
            """
        let target = try #require(JSONDecoder().decode(Manifest.self, from: Data(json.utf8)).targets.first)
        #expect(target.dependencies == [.ours("MartletTypes"), .product("NIOCore"), .ours("CZstd")])
        #expect(target.exclude == ["README.md"])
    }
}
