import Foundation
import TestSupport
import Testing
import Yams
import embed_assets

/// The rules of the house, held against this checkout.
@Suite("The checkout keeps the rules of the house")
struct HouseTests {
    let tree = SourceTree.own

    @Test("every Swift file is short, named well and free of banned words")
    func sources() {
        let files = tree.swiftFiles
        #expect(files.count > 20)
        expectNone(files.flatMap(SourceRules.findings))
    }

    @Test("targets import lower layers only, and what they declare")
    func layers() async throws {
        let manifest = try await Manifest.load(tree)
        expectNone(LayerGraph.findings(in: manifest))
        expectNone(LayerGraph.findings(imports: tree.swiftFiles, manifest: manifest))
    }

    @Test("nothing that the agent links imports full Foundation")
    func foundation() async throws {
        expectNone(LayerGraph.foundationFindings(tree.swiftFiles, manifest: try await Manifest.load(tree)))
    }

    @Test(
        "the agent's executable does not link full Foundation",
        .enabled(
            if: FileManager.default.fileExists(atPath: Checkout.product("martlet-agent")),
            "only where it is built"
        )
    )
    func agentBinary() throws {
        let binary = try Data(
            contentsOf: URL(fileURLWithPath: Checkout.product("martlet-agent")),
            options: .mappedIfSafe
        )
        #expect(binary.range(of: Data("libFoundation.so\0".utf8)) == nil)
        #expect(binary.range(of: Data("lib_FoundationICU.so\0".utf8)) == nil)
    }

    @Test("every target's folder has a short README, and what the manifest excludes exists")
    func readmes() async throws {
        let manifest = try await Manifest.load(tree)
        expectNone(DocumentRules.readmes(tree, targets: manifest.targets))
        for target in manifest.targets {
            let folder = target.path ?? "Sources/\(target.name)"
            for name in target.exclude ?? [] where tree.exists(folder) {
                #expect(tree.exists("\(folder)/\(name)"), "SwiftPM warns of a missing exclude")
            }
        }
    }

    @Test("the generated files are those that their sources make")
    func generated() throws {
        for file in try GeneratedFile.all(root: tree.root) {
            #expect(file.isCurrent(root: tree.root), "\(file.path) is out of date; run `make assets`")
        }
    }

    @Test("migrations are numbered without gaps, and shipped ones are unchanged")
    func migrations() throws {
        let lock = MigrationLock(root: tree.root)
        #expect(try lock.problems() == [])
        #expect(try !lock.migrations().isEmpty)
    }

    @Test("every device profile loads and is named like its file")
    func profiles() throws {
        let folder = ProfileFolder(root: tree.root)
        for name in try folder.names() {
            let profile = try JSONSerialization.jsonObject(with: Data(try folder.json(name).utf8)) as? [String: Any]
            #expect(profile?["id"] as? String == name, "device-profiles/\(name).yaml")
        }
    }

    @Test("every page template closes what it opens")
    func templates() {
        let folder = "registry/templates"
        let paths = tree.files(below: folder).filter { $0.hasSuffix(".mustache") }
        let partials = Set(paths.map { String($0.dropFirst(folder.count + 1).dropLast(".mustache".count)) })
        for path in paths {
            expectNone(DocumentRules.template(path, text: tree.text(path) ?? "{{", partials: partials))
        }
    }

    @Test("every OpenAPI document is YAML of version 3.1")
    func openAPI() throws {
        for path in tree.files(below: "registry/openapi") where path.hasSuffix(".yaml") {
            let document = try Yams.load(yaml: tree.text(path) ?? "") as? [String: Any]
            #expect((document?["openapi"] as? String)?.hasPrefix("3.1.") == true, "\(path)")
        }
    }

    @Test("every systemd unit reads as systemd reads it")
    func units() {
        let endings = [".service", ".socket", ".timer", ".slice"]
        for path in tree.files(below: "systemd") where endings.contains(where: path.hasSuffix) {
            expectNone(DocumentRules.unit(path, text: tree.text(path) ?? ""))
        }
    }

    @Test("the change log has a place for the next release, and decisions are numbered and complete")
    func documents() {
        expectNone(DocumentRules.changeLog(tree.text("CHANGELOG.md")))
        expectNone(DocumentRules.decisions(tree))
    }

    @Test("each row of the threat table names a test that exists")
    func threats() {
        let suites = tree.swiftFiles.filter { $0.path.hasPrefix("Tests/") }
            .flatMap { $0.lines.filter { $0.contains("Tests {") } }
            .compactMap { $0.firstMatch(of: /(?:struct|class|enum) ([A-Za-z0-9]+Tests) \{/).map { String($0.1) } }
        expectNone(DocumentRules.threats(tree.text("docs/security.md"), suites: Set(suites)))
    }

    @Test("what the documents for newcomers name is there")
    func paths() {
        let documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "Tests/Fixtures/README.md"]
        for document in documents + tree.files(below: "docs").filter({ $0.hasSuffix(".md") }) {
            expectNone(DocumentRules.missingPaths(in: document, text: tree.text(document), tree: tree))
        }
    }

    @Test("the fixtures are those whose hashes are listed")
    func fixtures() async throws {
        let result = try await run(
            "/usr/bin/env",
            [
                "--chdir", tree.root.appendingPathComponent("Tests/Fixtures").path, "sha256sum", "--check", "--quiet",
                "SHA256SUMS",
            ]
        )
        #expect(result.status == 0, "\(result.output)\(result.errors)")
    }

    /// One issue for each finding, so that all are seen in one run.
    private func expectNone(_ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation) {
        for finding in findings { Issue.record("\(finding)", sourceLocation: sourceLocation) }
    }
}
