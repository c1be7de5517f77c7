/// One row of an evaluation set: a line of JSON. The format is `docs/formats/eval.md`.
package struct EvaluationRow: Sendable, Hashable, Codable {
    /// How an answer is compared with what is expected.
    package enum Comparison: String, Sendable, Codable, CaseIterable {
        /// Equal after trimming white space and lower-casing.
        case label
        /// Equal byte for byte.
        case exact
        /// The expected text occurs in the answer, both lower-cased.
        case contains
    }

    /// The system prompt; nil sends none.
    package var system: String?
    /// What the user says.
    package var input: String
    /// The answer that counts as right.
    package var expected: String
    /// How the two are compared; nil is `label`.
    package var comparison: Comparison?
    /// A GBNF grammar that binds the answer; nil leaves it free.
    package var grammar: String?
    /// Tokens the answer may have; nil is 16.
    package var maxTokens: Int?

    package init(
        system: String? = nil, input: String, expected: String, comparison: Comparison? = nil, grammar: String? = nil,
        maxTokens: Int? = nil
    ) {
        self.system = system
        self.input = input
        self.expected = expected
        self.comparison = comparison
        self.grammar = grammar
        self.maxTokens = maxTokens
    }
}

/// A quick check that a candidate answers at all, run before evaluation.
package struct Probe: Sendable, Hashable, Codable {
    /// The system prompt; nil sends none.
    package var system: String?
    /// What the user says.
    package var prompt: String
    /// Text that must occur in the answer, compared in lower case; nil demands only a well-formed, non-empty answer.
    package var contains: String?
    /// Tokens the answer may have; nil is 16.
    package var maxTokens: Int?

    package init(system: String? = nil, prompt: String, contains: String? = nil, maxTokens: Int? = nil) {
        self.system = system
        self.prompt = prompt
        self.contains = contains
        self.maxTokens = maxTokens
    }
}

/// What the publisher demands of a release before it may serve on a device.
package struct EvaluationThreshold: Sendable, Hashable, Codable {
    /// Share of rows that must be right, 0 to 1; nil measures without a gate.
    package var minAccuracy: Double?
    /// Rows to run on the device, taken evenly over the set; nil runs all.
    package var rows: Int?

    package init(minAccuracy: Double? = nil, rows: Int? = nil) {
        self.minAccuracy = minAccuracy
        self.rows = rows
    }
}

/// What an evaluation on a device found.
package struct EvaluationResult: Sendable, Hashable, Codable {
    /// Rows that were run.
    package var rows: Int
    /// Rows whose answer was right.
    package var correct: Int
    /// Rows that got no answer (engine error or time-out); they count as wrong.
    package var failed: Int
    /// Median time of one answer.
    package var medianMilliseconds: Double
    /// The threshold that was applied, if any.
    package var minAccuracy: Double?

    package init(rows: Int, correct: Int, failed: Int, medianMilliseconds: Double, minAccuracy: Double? = nil) {
        self.rows = rows
        self.correct = correct
        self.failed = failed
        self.medianMilliseconds = medianMilliseconds
        self.minAccuracy = minAccuracy
    }

    /// Share of right answers, 0 for an empty run.
    package var accuracy: Double { rows == 0 ? 0 : Double(correct) / Double(rows) }
    /// Whether the threshold, if any, was reached.
    package var passed: Bool { minAccuracy.map { accuracy >= $0 } ?? true }
}
