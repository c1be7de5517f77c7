import Foundation
import MartletTypes
import RolloutPolicyFile
import TestSupport
import Testing

@Suite("What is said of policy files is so")
struct PolicyDocumentTests {
    static func page() throws -> String {
        try String(contentsOfFile: Checkout.root + "/docs/formats/rollout-policy.md", encoding: .utf8)
    }

    @Test("the printed example is read, and has every field")
    func example() throws {
        let file = try RolloutPolicyFile(yaml: RolloutPolicyFile.example)
        #expect(file.target.slot != nil && file.policy.waves.count == 3 && file.policy.gates.count == 4)
        for (section, fields) in PolicyFields.all {
            for field in fields where !["selector", "minSimilarity", "min"].contains(field) {
                #expect(RolloutPolicyFile.example.contains("\(field):"), "\(section): \(field)")
            }
        }
        for line in RolloutPolicyFile.example.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    }

    @Test("the page's examples are read")
    func pageExamples() throws {
        let blocks = try Self.page().components(separatedBy: "```yaml\n").dropFirst()
            .map { $0.components(separatedBy: "```")[0] }
        #expect(!blocks.isEmpty)
        for block in blocks { _ = try RolloutPolicyFile(yaml: block, name: "the page's example") }
    }

    @Test("the page describes every field and every metric, and no other")
    func pageFields() throws {
        let sections = try Self.page().components(separatedBy: "\n## ").dropFirst()
        for (section, fields) in PolicyFields.all {
            let text = try #require(sections.first { $0.hasPrefix(section + "\n") }, "no section \(section)")
            let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
            let named = rows.compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) }
            #expect(named == fields, "\(section)")
        }
    }
}
