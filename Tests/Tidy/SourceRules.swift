/// The rules that one Swift file must follow, each a pure function of the file.
enum SourceRules {
    /// Lines in one file: more than this does not fit into a head.
    static let maximumLines = 400
    /// Columns in one line, as the formatter's.
    static let maximumColumns = 120

    /// Every finding in a file.
    static func findings(in file: SourceFile) -> [Finding] {
        length(of: file) + bannedNames(in: file) + bannedWords(in: file) + unexplainedPromises(in: file)
    }

    static func length(of file: SourceFile) -> [Finding] {
        var findings: [Finding] = []
        if file.lines.count > maximumLines {
            findings.append(
                Finding(rule: "length", what: "\(file.path) has \(file.lines.count) lines; split it by topic")
            )
        }
        for (index, line) in file.lines.enumerated() where line.count > maximumColumns {
            findings.append(Finding(rule: "columns", what: "\(file.path):\(index + 1) has \(line.count) columns"))
        }
        return findings
    }

    /// Names that say nothing: the thing has a noun in the glossary, or it is two things.
    static func bannedNames(in file: SourceFile) -> [Finding] {
        let vague = ["Manager", "Helper", "Utils", "Utilities", "Common"]
        let declarations: Set<Substring> = ["class", "struct", "enum", "actor", "protocol", "typealias"]
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            let words = code(line).split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "_") })
            for (word, name) in zip(words, words.dropFirst()) where declarations.contains(word) {
                guard let part = vague.first(where: { name.contains($0) }) else { continue }
                findings.append(
                    Finding(rule: "names", what: "\(file.path):\(index + 1) declares \(name); \(part) says nothing")
                )
            }
        }
        let base = file.path.split(separator: "/").last ?? ""
        if let part = vague.first(where: { base.contains($0) }) {
            findings.append(Finding(rule: "names", what: "\(file.path) is named after \(part)"))
        }
        return findings
    }

    /// Calls that end the process on bad input, swallowed errors, and work left for nobody.
    static func bannedWords(in file: SourceFile) -> [Finding] {
        // Written in halves, so that this file does not find itself.
        let banned = [
            ("try" + "!", "let the error through"), ("fatal" + "Error(", "throw an error; input is not a defect"),
            ("as" + "! ", "match the type"), ("catch " + "{}", "handle the error or let it through"),
            ("/work" + "/", "no path of one machine"), ("FIX" + "ME", "fix it"), ("XX" + "X", "fix it"),
        ]
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            for (word, advice) in banned where line.contains(word) {
                findings.append(Finding(rule: "words", what: "\(file.path):\(index + 1) has \(word); \(advice)"))
            }
            if let found = line.firstRange(of: "TO" + "DO"), !line[found.upperBound...].hasPrefix("(") {
                findings.append(Finding(rule: "words", what: "\(file.path):\(index + 1) leaves work without an owner"))
            }
        }
        return findings
    }

    /// Promises to the compiler name what keeps them, in a comment at most eight lines above or beside.
    static func unexplainedPromises(in file: SourceFile) -> [Finding] {
        let promises = ["@unchecked " + "Sendable", "nonisolated" + "(unsafe)"]
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            guard let promise = promises.first(where: { code(line).contains($0) }) else { continue }
            let near = file.lines[max(0, index - 8)...index]
            if !near.contains(where: { $0.contains("//") }) {
                findings.append(
                    Finding(
                        rule: "promises",
                        what: "\(file.path):\(index + 1) has \(promise) and no comment that names its guard"
                    )
                )
            }
        }
        return findings
    }

    /// A line without its comment and without the text in quotes.
    private static func code(_ line: Substring) -> String {
        var code = ""
        var inText = false
        var previous: Character = " "
        for character in line {
            if character == "\"" && previous != "\\" { inText.toggle() }
            if !inText && character == "/" && previous == "/" { return String(code.dropLast()) }
            if !inText { code.append(character) }
            previous = character
        }
        return code
    }
}
