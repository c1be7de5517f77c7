package import BundleFormat
package import MartletTypes

extension EvaluationSet {
    /// Rows taken evenly over the set; all of them where `count` is nil or not smaller.
    package func sample(_ count: Int?) -> [EvaluationRow] {
        guard let count, count < rows.count else { return rows }
        return (0..<max(count, 0)).map { rows[$0 * rows.count / count] }
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
