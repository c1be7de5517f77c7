package import MartletTypes

/// The rows of an evaluation set, read from JSON lines. The format is `docs/formats/eval.md`.
package struct EvaluationSet: Sendable, Hashable {
    /// The rows, in the order of the file.
    package let rows: [EvaluationRow]

    /// Reads a file's bytes. Throws `invalidEvaluationSet` naming the line; empty lines are passed over.
    package init(jsonLines bytes: [UInt8]) throws(RuntimeError) {
        guard bytes.count <= Limits.evaluationBytes else {
            throw Self.invalid("It has \(bytes.count) bytes; at most \(Limits.evaluationBytes) are allowed.")
        }
        var rows: [EvaluationRow] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") }) else { continue }
            guard rows.count < Limits.evaluationRows else {
                throw Self.invalid("It has more than \(Limits.evaluationRows) rows.")
            }
            do {
                rows.append(try Self.row(line))
            } catch let flaw as Flaw {
                throw Self.invalid("Line \(index + 1): \(flaw.text).")
            } catch {
                throw Self.invalid("Line \(index + 1): \(Self.reason(error)).")
            }
        }
        guard !rows.isEmpty else { throw Self.invalid("It has no rows.") }
        self.rows = rows
    }

    /// Rows taken evenly over the set; all of them where `count` is nil or not smaller.
    package func sample(_ count: Int?) -> [EvaluationRow] {
        guard let count, count < rows.count else { return rows }
        return (0..<max(count, 0)).map { rows[$0 * rows.count / count] }
    }

    private struct Flaw: Error { let text: String }

    private static let fields = ["system", "input", "expected", "comparison", "grammar", "maxTokens"]
    private static let maxTokens = 1...4096

    private static func row(_ line: ArraySlice<UInt8>) throws -> EvaluationRow {
        guard let members = try JSONText.decode(JSONValue.self, from: line).object else {
            throw Flaw(text: "it is no JSON object")
        }
        if let unknown = members.keys.sorted().first(where: { !fields.contains($0) }) {
            throw Flaw(text: "the field \(String(unknown.prefix(Limits.quotedValueCharacters))) is unknown")
        }
        let row = try JSONText.decode(EvaluationRow.self, from: line)
        guard !row.input.isEmpty else { throw Flaw(text: "input is empty") }
        guard !row.expected.isEmpty else { throw Flaw(text: "expected is empty") }
        guard maxTokens.contains(row.maxTokens ?? 1) else {
            throw Flaw(text: "maxTokens is not within \(maxTokens.lowerBound) to \(maxTokens.upperBound)")
        }
        return row
    }

    private static func invalid(_ message: String) -> RuntimeError {
        RuntimeError(
            .invalidEvaluationSet, "The evaluation set cannot be used. \(message)",
            remedy: "Write one JSON object a line with input and expected.", fault: .caller)
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "\(key.stringValue) is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            (context.codingPath.last?.stringValue ?? "the line") + " has the wrong type"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            context.codingPath.map(\.stringValue).joined(separator: ".") + " has a value that is not allowed"
        default: "it is not valid JSON"
        }
    }
}

extension EvaluationRow {
    /// Tokens an answer may have where a row does not say.
    static let defaultMaxTokens = 16

    /// Whether an answer counts as right.
    package func accepts(_ answer: String) -> Bool {
        switch comparison ?? .label {
        case .label: Self.trimmed(answer).lowercased() == Self.trimmed(expected).lowercased()
        case .exact: answer == expected
        case .contains: answer.lowercased().contains(expected.lowercased())
        }
    }

    private static func trimmed(_ text: String) -> Substring {
        var text = text[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
