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
    /// What the user says; empty where `request` asks.
    package var input: String
    /// What is asked instead of a chat, of an engine that does not chat.
    package var request: EngineQuestion?
    /// The answer that counts as right.
    package var expected: String
    /// How the two are compared; nil is `label`.
    package var comparison: Comparison?
    /// A GBNF grammar that binds the answer; nil leaves it free.
    package var grammar: String?
    /// Tokens the answer may have; nil is 16.
    package var maxTokens: Int?

    package init(
        system: String? = nil, input: String = "", expected: String, comparison: Comparison? = nil,
        grammar: String? = nil, maxTokens: Int? = nil, request: EngineQuestion? = nil
    ) {
        self.system = system
        self.input = input
        self.request = request
        self.expected = expected
        self.comparison = comparison
        self.grammar = grammar
        self.maxTokens = maxTokens
    }
}

/// A quick check that a candidate answers as it must, run before evaluation. The format is `docs/formats/probes.md`.
package struct Probe: Sendable, Hashable, Codable {
    /// The system prompt; nil sends none.
    package var system: String?
    /// What the user says; empty where `request` asks.
    package var prompt: String
    /// What is asked instead of a chat, of an engine that does not chat.
    package var request: EngineQuestion?
    /// Text that must occur in the answer, compared in lower case; nil demands no text.
    package var contains: String?
    /// A regular expression that must be found in the answer; nil demands none.
    package var pattern: String?
    /// A JSON schema that the answer, read as JSON, must fit; nil demands none.
    package var schema: JSONValue?
    /// Whether the engine is made to follow the schema, as an application would make it; nil is no.
    package var constrain: Bool?
    /// Tokens the answer may have; nil is 16.
    package var maxTokens: Int?

    package init(
        system: String? = nil, prompt: String = "", contains: String? = nil, pattern: String? = nil,
        schema: JSONValue? = nil, constrain: Bool? = nil, maxTokens: Int? = nil, request: EngineQuestion? = nil
    ) {
        self.system = system
        self.prompt = prompt
        self.request = request
        self.contains = contains
        self.pattern = pattern
        self.schema = schema
        self.constrain = constrain
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
    /// Time within which 95 % of the answers came; nil from devices that do not tell.
    package var p95Milliseconds: Double?
    /// Mean over the expected labels of the harmonic mean of precision and recall, 0 to 1; nil where rows are not
    /// compared as labels.
    package var macroF1: Double?
    /// The threshold that was applied, if any.
    package var minAccuracy: Double?

    package init(
        rows: Int, correct: Int, failed: Int, medianMilliseconds: Double, p95Milliseconds: Double? = nil,
        macroF1: Double? = nil, minAccuracy: Double? = nil
    ) {
        self.rows = rows
        self.correct = correct
        self.failed = failed
        self.medianMilliseconds = medianMilliseconds
        self.p95Milliseconds = p95Milliseconds
        self.macroF1 = macroF1
        self.minAccuracy = minAccuracy
    }

    /// Share of right answers, 0 for an empty run.
    package var accuracy: Double { rows == 0 ? 0 : Double(correct) / Double(rows) }
    /// Whether the threshold, if any, was reached.
    package var passed: Bool { minAccuracy.map { accuracy >= $0 } ?? true }
}

extension EvaluationResult {
    /// One line for people: `36 of 42 right, macro-F1 0.84, median 12 ms, 95 % within 30 ms`.
    package var summary: String {
        var parts = ["\(correct) of \(rows) right"]
        if let macroF1 { parts.append("macro-F1 \(ProofFigures.share(macroF1))") }
        if failed > 0 { parts.append("\(failed) without an answer") }
        if rows > failed { parts.append("median \(ProofFigures.milliseconds(medianMilliseconds)) ms") }
        if let p95Milliseconds, rows > failed {
            parts.append("95 % within \(ProofFigures.milliseconds(p95Milliseconds)) ms")
        }
        return parts.joined(separator: ", ")
    }
}
