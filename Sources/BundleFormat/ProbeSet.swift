package import MartletTypes

/// The probes of a release: a JSON array. The format is `docs/formats/probes.md`.
package struct ProbeSet: Sendable, Hashable {
    /// The probes in order, each with what its answer must be; at least one.
    package let checks: [ProbeCheck]
    /// The probes in order.
    package var probes: [Probe] { checks.map(\.probe) }

    package init(_ probes: [Probe]) throws(BundleError) {
        guard (1...Limits.probesPerRelease).contains(probes.count) else {
            throw BundleError(.invalid, "probes", "", "there are not between 1 and \(Limits.probesPerRelease) of them")
        }
        var checks: [ProbeCheck] = []
        for (index, probe) in probes.enumerated() { checks.append(try ProbeCheck(probe, at: "[\(index)]")) }
        self.checks = checks
    }

    /// Reads a JSON array of probes; throws naming the field. A member that is not known is refused: a demand that
    /// this version cannot check must not pass for one that holds.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        let limit = BundleLimits.probesBytes
        let members = try DocumentCoder.decode([[String: JSONValue]].self, from: bytes, limit: limit, "probes")
        for (index, probe) in members.enumerated() {
            if let unknown = probe.keys.sorted().first(where: { !Self.keys.contains($0) }) {
                throw BundleError(
                    .invalid, "probes", "[\(index)].\(unknown)",
                    "is no field of a probe; the fields are " + Self.keys.sorted().joined(separator: ", "))
            }
            try QuestionRule.checkFields(probe["request"], "probes", "[\(index)].request")
        }
        try self.init(try DocumentCoder.decode([Probe].self, from: bytes, limit: limit, "probes"))
    }

    private static let keys: Set<String> = [
        "system", "prompt", "contains", "pattern", "schema", "constrain", "maxTokens", "request",
    ]

    /// The bytes that are published.
    package func encoded() throws(BundleError) -> [UInt8] {
        try DocumentCoder.encode(probes, "probes")
    }
}

/// A probe whose pattern and schema were read.
package struct ProbeCheck: Sendable, Hashable {
    package let probe: Probe
    private let pattern: AnswerPattern?
    private let schema: AnswerSchema?

    /// Throws naming the field below `place`, and the position in it.
    package init(_ probe: Probe, at place: String = "") throws(BundleError) {
        if let request = probe.request {
            let others =
                !probe.prompt.isEmpty || probe.system != nil || probe.maxTokens != nil || probe.constrain != nil
            try QuestionRule.check(request, beside: others, "probes", place + ".request")
        } else if probe.prompt.isEmpty {
            throw BundleError(.invalid, "probes", place + ".prompt", "is empty")
        }
        guard probe.maxTokens.map((1...BundleLimits.answerTokens).contains) ?? true else {
            throw BundleError(
                .invalid, "probes", place + ".maxTokens", "is not between 1 and \(BundleLimits.answerTokens)")
        }
        guard probe.constrain != true || probe.schema != nil else {
            throw BundleError(.contradiction, "probes", place + ".constrain", "needs a schema to constrain to")
        }
        self.probe = probe
        pattern = try Self.located(place + ".pattern") { () throws(BundleError) in
            guard let text = probe.pattern else { return nil }
            return try AnswerPattern(text)
        }
        schema = try Self.located(place + ".schema") { () throws(BundleError) in
            guard let value = probe.schema else { return nil }
            return try AnswerSchema(value)
        }
    }

    private static func located<Value>(
        _ place: String, _ read: () throws(BundleError) -> Value
    ) throws(BundleError) -> Value {
        do throws(BundleError) {
            return try read()
        } catch {
            throw BundleError(error.reason, "probes", place, "\(error.field) \(error.detail)")
        }
    }

    /// What the answer lacks, as the end of a sentence with the demand before it; nil where it is as demanded.
    package func refusal(of answer: String) -> String? {
        if let text = probe.contains, !answer.lowercased().contains(text.lowercased()) {
            return "an answer with \"\(text)\""
        }
        if let pattern, !pattern.isFound(in: answer) {
            return "an answer in which /\(probe.pattern ?? "")/ is found"
        }
        if let refusal = schema?.refusal(of: answer) { return "an answer of its schema (\(refusal))" }
        return answer.isEmpty ? "any answer" : nil
    }

    /// What is demanded, for when there was no answer at all.
    package var demand: String {
        if let text = probe.contains { return "an answer with \"\(text)\"" }
        if let pattern = probe.pattern { return "an answer in which /\(pattern)/ is found" }
        return probe.schema == nil ? "any answer" : "an answer of its schema"
    }
}
