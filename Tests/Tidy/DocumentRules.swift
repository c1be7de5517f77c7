/// The rules for what is not Swift: READMEs, the change log, templates, units.
enum DocumentRules {
    /// Lines of the README in a target's folder: owns, refuses, start here.
    static let maximumReadmeLines = 15

    /// Each target's folder says what it owns and refuses.
    static func readmes(_ checkout: SourceTree, targets: [Manifest.Target]) -> [Finding] {
        targets.filter { $0.type == "regular" || $0.type == "executable" }
            .map { $0.path ?? "Sources/\($0.name)" }
            .filter { !$0.hasPrefix("Tests/") && checkout.exists($0) }
            .compactMap { readme(at: "\($0)/README.md", text: checkout.text("\($0)/README.md")) }
    }

    static func readme(at path: String, text: String?) -> Finding? {
        guard let text else { return Finding(rule: "readme", what: "\(path) is missing") }
        let lines = SourceFile(path: path, text: text).lines.count
        guard lines > maximumReadmeLines else { return nil }
        return Finding(
            rule: "readme",
            what: "\(path) has \(lines) lines; \(maximumReadmeLines) are enough, the rest is docs/"
        )
    }

    /// What a document names in backticks below one of our folders exists.
    static func missingPaths(in document: String, text: String?, tree: SourceTree) -> [Finding] {
        let folders = ["docs/", "scripts/", "Sources/", "Tests/", "registry/", "systemd/", "device-profiles/", ".ci/"]
        let quoted = (text ?? "").split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { !$0.offset.isMultiple(of: 2) }.map(\.element)
        return quoted.filter { path in
            folders.contains { path.hasPrefix($0) } && !path.contains { " *<>".contains($0) }
                && !tree.exists(String(path))
        }
        .map { Finding(rule: "paths", what: "\(document) names \($0), which does not exist") }
    }

    /// Each row of the threat table names a test, and each test that the document names is a suite of ours.
    static func threats(_ text: String?, suites: Set<String>) -> [Finding] {
        let sections = (text ?? "").split(separator: "## Threats\n", maxSplits: 1)
        guard sections.count == 2, let table = sections[1].firstRange(of: "| --- |") else {
            return [Finding(rule: "threats", what: "docs/security.md has no table of threats")]
        }
        let rows = sections[1][table.lowerBound...].split(separator: "\n", omittingEmptySubsequences: false)
            .dropFirst().prefix { $0.hasPrefix("|") }
        func named(_ text: Substring) -> [Substring] {
            text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { !$0.offset.isMultiple(of: 2) }.map(\.element).filter { $0.hasSuffix("Tests") }
        }
        let untested = rows.filter { row in row.split(separator: "|").last.map { named($0).isEmpty } ?? true }
        let missing = Set(named((text ?? "")[...])).filter { !suites.contains(String($0)) }
        return untested.map { Finding(rule: "threats", what: "no test shows this row: \($0.prefix(60))") }
            + missing.sorted().map { Finding(rule: "threats", what: "docs/security.md names \($0), which is no suite") }
    }

    /// The change log has a place for what is not released.
    static func changeLog(_ text: String?) -> [Finding] {
        guard let text else { return [Finding(rule: "changelog", what: "CHANGELOG.md is missing")] }
        guard text.split(separator: "\n").contains("## [Unreleased]") else {
            return [Finding(rule: "changelog", what: "CHANGELOG.md has no \"## [Unreleased]\"")]
        }
        return []
    }

    /// Decisions are numbered without gaps and have their three parts.
    static func decisions(_ checkout: SourceTree) -> [Finding] {
        var findings: [Finding] = []
        for (index, name) in checkout.names(in: "docs/decisions").filter({ $0.hasSuffix(".md") }).enumerated() {
            let number = String(index + 1)
            let prefix = String(repeating: "0", count: 4 - number.count) + number + "-"
            if !name.hasPrefix(prefix) {
                findings.append(Finding(rule: "decisions", what: "\(name) must start with \(prefix)"))
            }
            let lines = (checkout.text("docs/decisions/\(name)") ?? "").split(separator: "\n")
            for part in ["## Context", "## Decision", "## Consequences"] where !lines.contains(Substring(part)) {
                findings.append(Finding(rule: "decisions", what: "\(name) lacks \"\(part)\""))
            }
        }
        return findings
    }

    /// The sections of a Mustache template are closed in order, and the partials that it names exist.
    static func template(_ path: String, text: String, partials: Set<String>) -> [Finding] {
        var findings: [Finding] = []
        func report(_ what: String) { findings.append(Finding(rule: "templates", what: "\(path): \(what)")) }
        var open: [String] = []
        var rest = text[...]
        while let start = rest.firstRange(of: "{{") {
            guard let end = rest[start.upperBound...].firstRange(of: "}}") else {
                report("a tag is never closed")
                break
            }
            let tag = rest[start.upperBound..<end.lowerBound].drop { $0 == "{" }
            rest = rest[end.upperBound...]
            let name = String(tag.dropFirst().filter { !$0.isWhitespace })
            switch tag.first {
            case "#", "^", "$", "<": open.append(name)
            case "/":
                let expected = open.popLast()
                if expected != name { report("{{/\(name)}} closes {{#\(expected ?? "nothing")}}") }
            case ">": if !partials.contains(name) { report("there is no partial \(name)") }
            case nil: report("an empty tag")
            default: continue
            }
            if tag.first == "<", !partials.contains(name) { report("there is no parent \(name)") }
        }
        if let name = open.last { report("{{#\(name)}} is never closed") }
        return findings
    }

    /// A unit, sysusers or tmpfiles file reads as systemd reads it: sections with `Key=value`, lines with fields.
    static func unit(_ path: String, text: String) -> [Finding] {
        let known: Set<Substring> = ["[Unit]", "[Service]", "[Socket]", "[Timer]", "[Install]", "[Slice]"]
        var findings: [Finding] = []
        var section: Substring?
        var continues = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            defer { continues = line.hasSuffix("\\") }
            guard !continues, !line.isEmpty, !line.hasPrefix("#"), !line.hasPrefix(";") else { continue }
            if line.hasPrefix("[") {
                section = line
                if !known.contains(line) {
                    findings.append(Finding(rule: "units", what: "\(path):\(index + 1) \(line) is unknown"))
                }
            } else if section == nil || line.firstIndex(of: "=") == nil || line.hasPrefix(" ") {
                findings.append(Finding(rule: "units", what: "\(path):\(index + 1) is no Key=value in a section"))
            }
        }
        if section == nil { findings.append(Finding(rule: "units", what: "\(path) has no section")) }
        return findings
    }
}
