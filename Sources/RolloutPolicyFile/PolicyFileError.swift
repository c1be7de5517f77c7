package import MartletTypes

/// One fault of a policy file.
package struct PolicyIssue: Error, Sendable, Hashable, Codable {
    /// Counted from 1.
    package let line: Int
    /// In characters, counted from 1.
    package let column: Int
    /// Where in the document, e.g. `gates[1].baseline.tolerance`; empty for the whole file.
    package let path: String
    /// One sentence: what is wrong.
    package let message: String
    /// One sentence: what to write.
    package let remedy: String

    package init(line: Int, column: Int, path: String, message: String, remedy: String) {
        self.line = line
        self.column = column
        self.path = path
        self.message = message
        self.remedy = remedy
    }
}

/// All that is wrong with a policy file.
package struct PolicyFileError: MartletError {
    /// The file as errors name it.
    package let name: String
    /// In the order of the file.
    package let issues: [PolicyIssue]

    package init(name: String, issues: [PolicyIssue]) {
        self.name = name
        self.issues = issues.sorted { ($0.line, $0.column) < ($1.line, $1.column) }
    }

    package var code: String { "policyInvalid" }

    /// One line for each fault, as compilers print them: `FILE:LINE:COLUMN: path: what. What to write.`
    package var message: String {
        var lines = issues.prefix(PolicyFileLimits.issues).map { issue in
            let path = issue.path.isEmpty ? "" : issue.path + ": "
            return "\(name):\(issue.line):\(issue.column): \(path)\(issue.message) \(issue.remedy)"
        }
        let rest = issues.count - lines.count
        if rest > 0 { lines.append("and \(rest) more") }
        return lines.joined(separator: "\n")
    }

    package var remedy: String {
        "`martlet rollout policy example` prints a file with every field; docs/formats/rollout-policy.md says more."
    }

    package var fault: ErrorFault { .caller }
}
