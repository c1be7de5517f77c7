package import MartletTypes

/// Asks an engine the rows of an evaluation set and counts right answers.
package struct Evaluator: Sendable {
    /// What is known after each row.
    package struct Progress: Sendable, Hashable {
        /// Rows asked so far.
        package let done: Int
        /// Rows to ask in all.
        package let total: Int
        /// Right answers so far.
        package let correct: Int
    }

    private let before: @Sendable () async -> Void

    /// `before` is awaited before each row: the device may have better to do.
    package init(before: @escaping @Sendable () async -> Void = {}) { self.before = before }

    /// Asks all rows, `concurrency` at a time. Rows without an answer count as wrong and as failed. Where the task is
    /// cancelled, rows not yet asked count as failed: the caller throws such a result away.
    package func run(
        rows: [EvaluationRow], threshold: EvaluationThreshold? = nil, client: EngineClient, concurrency: Int = 1,
        progress: (@Sendable (Progress) -> Void)? = nil
    ) async -> EvaluationResult {
        let atOnce = min(max(concurrency, 1), RuntimeLimits.evaluationConcurrency)
        var outcomes: [Outcome] = []
        var correct = 0
        await withTaskGroup(of: Outcome.self) { group in
            var waiting = rows.makeIterator()
            for _ in 0..<atOnce {
                if let row = waiting.next() { group.addTask { await ask(row, client) } }
            }
            while let outcome = await group.next() {
                outcomes.append(outcome)
                if let row = waiting.next() { group.addTask { await ask(row, client) } }
                correct += outcome.isRight ? 1 : 0
                progress?(Progress(done: outcomes.count, total: rows.count, correct: correct))
            }
        }
        return Self.result(outcomes, threshold)
    }

    private static func result(_ outcomes: [Outcome], _ threshold: EvaluationThreshold?) -> EvaluationResult {
        let milliseconds = outcomes.compactMap { $0.duration.map { $0.inSeconds * 1000 } }
        return EvaluationResult(
            rows: outcomes.count, correct: outcomes.count(where: \.isRight),
            failed: outcomes.count - milliseconds.count, medianMilliseconds: Quantile.median(milliseconds) ?? 0,
            p95Milliseconds: Quantile.nearest(0.95, of: milliseconds), macroF1: macroF1(outcomes),
            minAccuracy: threshold?.minAccuracy)
    }

    /// What became of a row. Judged when it is made: an async function that judges crashes the optimiser of Swift
    /// 6.3.1.
    private struct Outcome: Sendable {
        let row: EvaluationRow
        /// Nil where there was no answer, as is `duration`.
        let text: String?
        let duration: Duration?
        let isRight: Bool

        init(_ row: EvaluationRow, _ answer: ChatAnswer?) {
            self.row = row
            text = answer?.text
            duration = answer?.duration
            isRight = answer.map { row.accepts($0.text) } ?? false
        }
    }

    private func ask(_ row: EvaluationRow, _ client: EngineClient) async -> Outcome {
        await before()
        do throws(RuntimeError) {
            return Outcome(row, try await Self.answer(row, client))
        } catch {
            return Outcome(row, nil)
        }
    }

    private static func answer(_ row: EvaluationRow, _ client: EngineClient) async throws(RuntimeError) -> ChatAnswer {
        if let request = row.request { return try await client.ask(request) }
        return try await client.chat(
            system: row.system, user: row.input, grammar: row.grammar,
            maxTokens: row.maxTokens ?? EvaluationRow.defaultMaxTokens)
    }

    /// The mean over the expected labels of each one's F1; nil unless every row is compared as a label. An answer that
    /// is none of the labels, or none at all, misses its own and takes from no other's precision.
    private static func macroF1(_ outcomes: [Outcome]) -> Double? {
        guard !outcomes.isEmpty, outcomes.allSatisfy({ ($0.row.comparison ?? .label) == .label }) else { return nil }
        var expected: [String: Int] = [:]
        var answered: [String: Int] = [:]
        var right: [String: Int] = [:]
        for outcome in outcomes {
            expected[AnswerText.label(outcome.row.expected), default: 0] += 1
            guard let text = outcome.text else { continue }
            answered[AnswerText.label(text), default: 0] += 1
            if outcome.isRight { right[AnswerText.label(text), default: 0] += 1 }
        }
        // Both halves of precision and recall have `right` above the line: F1 is twice it over what is below.
        let sum = expected.reduce(0.0) { sum, label in
            sum + 2 * Double(right[label.key] ?? 0) / Double(label.value + (answered[label.key] ?? 0))
        }
        return sum / Double(expected.count)
    }
}
