import Foundation
import TestSupport
import Testing

@Suite("The rules for documents, units and templates find what they forbid")
struct DocumentRulesTests {
    @Test("a README that is missing or too long is found")
    func readme() {
        #expect(DocumentRules.readme(at: "README.md", text: String(repeating: "a\n", count: 15)) == nil)
        #expect(DocumentRules.readme(at: "README.md", text: String(repeating: "a\n", count: 16)) != nil)
        #expect(DocumentRules.readme(at: "README.md", text: nil) != nil)
    }

    @Test(
        "a change log without a place for the next release is found",
        arguments: [nil, "", "# Changelog\n\n## [1.0.0]\n"]
    )
    func changeLog(text: String?) {
        #expect(DocumentRules.changeLog(text).count == 1)
    }

    @Test("a document that names a missing file is found, one that names a pattern or prose is not")
    func missingPaths() throws {
        let folder = try TemporaryFolder("paths")
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("docs"), withIntermediateDirectories: true)
        let text = "See `docs/`, `docs/none.md`, `docs/decisions/*.md` and `make docs`.\n"
        #expect(
            DocumentRules.missingPaths(in: "README.md", text: text, tree: SourceTree(root: folder.url)).map(\.what)
                == ["README.md names docs/none.md, which does not exist"]
        )
    }

    @Test("a decision out of number or without its parts is found")
    func decisions() throws {
        let folder = try TemporaryFolder("decisions")
        let decisions = folder.url.appendingPathComponent("docs/decisions")
        try FileManager.default.createDirectory(at: decisions, withIntermediateDirectories: true)
        let parts = "## Context\na\n## Decision\nb\n## Consequences\nc\n"
        try Data(parts.utf8).write(to: decisions.appendingPathComponent("0001-first.md"))
        try Data("## Context\na\n## Decision\nb\n".utf8).write(to: decisions.appendingPathComponent("0003-third.md"))
        #expect(
            DocumentRules.decisions(SourceTree(root: folder.url)).map(\.what) == [
                "0003-third.md must start with 0002-", "0003-third.md lacks \"## Consequences\"",
            ]
        )
    }

    @Test(
        "a template that closes what it opened passes",
        arguments: [
            "", "<p>{{name}} {{{html}}} {{! a note }}</p>", "{{#devices}}{{name}}{{^last}}, {{/last}}{{/devices}}",
            "{{> row}}",
            "{{<row}}{{$title}}Fleet{{/title}}{{/row}}",
        ]
    )
    func fineTemplates(text: String) {
        #expect(DocumentRules.template("a.mustache", text: text, partials: ["row"]).isEmpty)
    }

    @Test(
        "a template with a broken tag is found",
        arguments: [
            "{{name", "{{#a}}", "{{/a}}", "{{#a}}{{#b}}{{/a}}{{/b}}", "{{> missing}}", "{{<missing}}{{/missing}}",
            "{{}}",
        ]
    )
    func brokenTemplates(text: String) {
        #expect(!DocumentRules.template("a.mustache", text: text, partials: ["row"]).isEmpty)
    }

    @Test("a unit with comments and continued lines passes")
    func fineUnit() {
        let unit =
            "# why\n[Unit]\nDescription=a\n\n[Service]\nExecStart=/usr/bin/a \\\n  --flag value\n; more\nUser=a\n"
        #expect(DocumentRules.unit("a.service", text: unit).isEmpty)
    }

    @Test(
        "a unit that systemd would complain of is found",
        arguments: [
            "", "Description=a\n", "[Unix]\nA=b\n", "[Unit]\nDescription\n", "[Service]\n ExecStart=/usr/bin/a\n",
        ]
    )
    func brokenUnits(text: String) {
        #expect(!DocumentRules.unit("a.service", text: text).isEmpty)
    }

    @Test("a row of the threat table without a test, and a test that is not there, are found")
    func threats() {
        let head = "# Security\n## Threats\n\n| attacker | shown by |\n| --- | --- |\n"
        let good = head + "| a thief | `LockTests` |\n\nText.\n"
        #expect(DocumentRules.threats(good, suites: ["LockTests"]).isEmpty)
        #expect(DocumentRules.threats(good, suites: []).count == 1)
        #expect(DocumentRules.threats(head + "| a thief | trust us |\n", suites: []).count == 1)
        #expect(DocumentRules.threats("# Security\n", suites: []).count == 1)
    }
}
