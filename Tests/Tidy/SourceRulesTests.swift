import Testing

@Suite("The rules for Swift files find what they forbid")
struct SourceRulesTests {
    private func findings(_ text: String, path: String = "Sources/GGUF/Reader.swift") -> [String] {
        SourceRules.findings(in: SourceFile(path: path, text: text)).map(\.rule)
    }

    @Test("a file of 400 lines passes and one of 401 does not")
    func length() {
        #expect(findings(String(repeating: "let a = 1\n", count: 400)).isEmpty)
        #expect(findings(String(repeating: "let a = 1\n", count: 401)) == ["length"])
    }

    @Test("a line of 120 columns passes and one of 121 does not")
    func columns() {
        #expect(findings("//" + String(repeating: "é", count: 118)).isEmpty)
        #expect(findings("//" + String(repeating: "é", count: 119)) == ["columns"])
    }

    @Test(
        "a type that is named vaguely is found",
        arguments: [
            "struct SlotManager {", "final class ReleaseHelper: Sendable {", "enum StringUtils {",
            "package actor CommonStore {",
            "protocol Manager: AnyObject {", "typealias HelperID = Int",
        ]
    )
    func vagueNames(line: String) {
        #expect(findings(line) == ["names"])
    }

    @Test(
        "what only looks like a vague declaration passes",
        arguments: [
            "let files = FileManager.default", "extension FileManager {", "// struct SlotManager was renamed",
            "struct Manifest {",
            "let text = \"enum StringUtils\"", "case commonName",
        ]
    )
    func fineNames(line: String) {
        #expect(findings(line).isEmpty)
    }

    @Test("a file that is named vaguely is found")
    func fileNames() {
        #expect(findings("", path: "Sources/GGUF/Common.swift") == ["names"])
    }

    @Test(
        "a banned word is found",
        arguments: [
            "let a = try" + "! b()", "fatal" + "Error(\"no\")", "let a = b as" + "! Int",
            "do { try a() } catch " + "{}",
            "let path = \"/work" + "/main\"", "// TO" + "DO: finish", "// FIX" + "ME later",
        ]
    )
    func words(line: String) {
        #expect(findings(line) == ["words"])
    }

    @Test("work with an owner, and softer relatives of banned words, pass")
    func fineWords() {
        #expect(findings("// TO" + "DO(ana): drop with the next format\nlet a = try? b() as? Int").isEmpty)
    }

    @Test("a promise to the compiler needs a comment that names its guard")
    func promises() {
        let promise = "final class Box: @unchecked " + "Sendable {"
        #expect(findings(promise) == ["promises"])
        #expect(findings("/// All access is behind `lock`.\n" + promise).isEmpty)
        #expect(findings("nonisolated" + "(unsafe) var count = 0") == ["promises"])
    }

    @Test(
        "imports are read in every form",
        arguments: [
            ("import GGUF", "GGUF"), ("package import Foundation", "Foundation"),
            ("@preconcurrency import NIOCore", "NIOCore"),
            ("public import struct Foundation.URL", "Foundation"), ("@testable import embed_assets", "embed_assets"),
            ("    internal import CLibcrypto", "CLibcrypto"),
        ]
    )
    func imports(line: String, module: String) {
        #expect(SourceFile(path: "a.swift", text: line).imports == [module])
    }

    @Test(
        "what is no import is none",
        arguments: ["// import GGUF", "let important = 1", "func import() {}", "important GGUF"]
    )
    func notImports(line: String) {
        #expect(SourceFile(path: "a.swift", text: line).imports.isEmpty)
    }
}
