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

    package init() {}

    /// Asks all rows, `concurrency` at a time. Rows without an answer count as wrong and as failed. Where the task is
    /// cancelled, rows not yet asked count as failed: the caller throws such a result away.
    package func run(
        rows: [EvaluationRow], threshold: EvaluationThreshold? = nil, client: EngineClient, concurrency: Int = 1,
        progress: (@Sendable (Progress) -> Void)? = nil
    ) async -> EvaluationResult {
        let atOnce = min(max(concurrency, 1), RuntimeLimits.evaluationConcurrency)
        var outcomes: [Outcome] = []
        await withTaskGroup(of: Outcome.self) { group in
            var waiting = rows.makeIterator()
            for _ in 0..<atOnce {
                if let row = waiting.next() { group.addTask { await Self.ask(row, client) } }
            }
            while let outcome = await group.next() {
                outcomes.append(outcome)
                if let row = waiting.next() { group.addTask { await Self.ask(row, client) } }
                let correct = outcomes.count(where: \.isRight)
                progress?(Progress(done: outcomes.count, total: rows.count, correct: correct))
            }
        }
        return EvaluationResult(
            rows: rows.count, correct: outcomes.count(where: \.isRight),
            failed: outcomes.count { $0.duration == nil },
            medianMilliseconds: Self.median(outcomes.compactMap { $0.duration.map { $0.inSeconds * 1000 } }),
            minAccuracy: threshold?.minAccuracy)
    }

    private struct Outcome: Sendable {
        let isRight: Bool
        /// Nil where there was no answer.
        let duration: Duration?
    }

    private static func ask(_ row: EvaluationRow, _ client: EngineClient) async -> Outcome {
        do throws(RuntimeError) {
            let answer = try await client.chat(
                system: row.system, user: row.input, grammar: row.grammar,
                maxTokens: row.maxTokens ?? EvaluationRow.defaultMaxTokens)
            return Outcome(isRight: row.accepts(answer.text), duration: answer.duration)
        } catch {
            return Outcome(isRight: false, duration: nil)
        }
    }

    private static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
