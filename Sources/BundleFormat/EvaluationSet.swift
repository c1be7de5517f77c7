package import MartletTypes

/// An evaluation set: JSON lines, one row each. The format is `docs/formats/eval.md`.
package struct EvaluationSet: Sendable, Hashable {
    /// The rows in the order of the file; at least one.
    package let rows: [EvaluationRow]

    /// Reads JSON lines; throws naming the line and the field. Empty lines are skipped.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        guard bytes.count <= Limits.evaluationBytes else {
            throw BundleError(.tooLarge, Self.document, "", "it has more than \(Limits.evaluationBytes) bytes")
        }
        var rows: [EvaluationRow] = []
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.allSatisfy(Self.isBlank) {
            guard rows.count < Limits.evaluationRows else {
                throw BundleError(.tooLarge, Self.document, "", "it has more than \(Limits.evaluationRows) rows")
            }
            rows.append(try Self.row(Array(line), number: index + 1))
        }
        guard !rows.isEmpty else { throw BundleError(.missing, Self.document, "", "it has no rows") }
        self.rows = rows
    }

    static let document = "evaluation set"
    private static let keys: Set<String> = [
        "system", "input", "expected", "comparison", "grammar", "maxTokens", "request",
    ]

    private static func row(_ line: [UInt8], number: Int) throws(BundleError) -> EvaluationRow {
        let name = "\(document), line \(number)"
        let limit = BundleLimits.evaluationRowBytes
        let members = try DocumentCoder.decode([String: JSONValue].self, from: line, limit: limit, name)
        if let unknown = members.keys.sorted().first(where: { !keys.contains($0) }) {
            throw BundleError(
                .invalid, name, unknown, "is no field of a row; the fields are " + keys.sorted().joined(separator: ", ")
            )
        }
        try QuestionRule.checkFields(members["request"], name, "request")
        let row = try DocumentCoder.decode(EvaluationRow.self, from: line, limit: limit, name)
        if let request = row.request {
            let others = !row.input.isEmpty || row.system != nil || row.grammar != nil || row.maxTokens != nil
            try QuestionRule.check(request, beside: others, name, "request")
        } else if row.input.isEmpty {
            throw BundleError(.invalid, name, "input", "is empty")
        }
        guard !row.expected.isEmpty else { throw BundleError(.invalid, name, "expected", "is empty") }
        guard row.maxTokens.map((1...BundleLimits.answerTokens).contains) ?? true else {
            throw BundleError(.invalid, name, "maxTokens", "is not between 1 and \(BundleLimits.answerTokens)")
        }
        return row
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
}

extension BundleLimits {
    /// Tokens one answer of a probe or an evaluation row may have.
    package static let answerTokens = 4096
}
