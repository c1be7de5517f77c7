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
        case .label: AnswerText.label(answer) == AnswerText.label(expected)
        case .exact: answer == expected
        case .contains: answer.lowercased().contains(expected.lowercased())
        }
    }
}
