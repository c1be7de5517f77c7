package import MartletTypes

/// What the probes of a release found.
package enum ProbeResult: Sendable, Hashable {
    /// All were answered as demanded.
    case passed(count: Int)
    /// One was not; the later ones were not asked.
    case failed(ProbeFailure)

    /// Whether all were answered as demanded.
    package var isPassed: Bool {
        if case .passed = self { true } else { false }
    }
}

/// The first probe that was not answered as demanded. Holds no more of the answer than the bound for quotations.
package struct ProbeFailure: Sendable, Hashable, CustomStringConvertible {
    /// Which probe, from 1.
    package let number: Int
    /// The text that was demanded; nil demanded any answer.
    package let expected: String?
    /// The length of the answer in characters; nil where there was none.
    package let answerLength: Int?
    /// The beginning of the answer, or why there was none.
    package let detail: String

    package var description: String {
        let wanted = expected.map { "an answer with \"\($0)\"" } ?? "any answer"
        guard let answerLength else { return "probe \(number) expected \(wanted) and got none: \(detail)" }
        return "probe \(number) expected \(wanted) and got \(answerLength) characters: \"\(detail)\""
    }
}

/// Asks an engine the probes of a release, one after the other.
package struct Prober: Sendable {
    package init() {}

    /// Asks until one fails. Without probes, one plain question must be answered: an engine that is healthy and says
    /// nothing is not worth a switch. Of one that embeds, which may be all that it can, a vector is demanded instead.
    package func run(_ probes: [Probe], client: EngineClient, embeds: Bool = false) async -> ProbeResult {
        if probes.isEmpty, embeds { return await askForVector(client) }
        let asked = probes.isEmpty ? [Probe(prompt: "Hello", maxTokens: 4)] : probes
        for (index, probe) in asked.enumerated() {
            if let failure = await ask(probe, number: index + 1, client: client) { return .failed(failure) }
        }
        return .passed(count: probes.count)
    }

    private func askForVector(_ client: EngineClient) async -> ProbeResult {
        do throws(RuntimeError) {
            let vector = try await client.embedding(of: "Hello")
            guard vector.isEmpty || !vector.allSatisfy(\.isFinite) else { return .passed(count: 0) }
            return .failed(ProbeFailure(number: 1, expected: nil, answerLength: nil, detail: "no vector of numbers"))
        } catch {
            return .failed(ProbeFailure(number: 1, expected: nil, answerLength: nil, detail: error.message))
        }
    }

    private func ask(_ probe: Probe, number: Int, client: EngineClient) async -> ProbeFailure? {
        do throws(RuntimeError) {
            let answer = try await client.chat(
                system: probe.system, user: probe.prompt, maxTokens: probe.maxTokens ?? EvaluationRow.defaultMaxTokens)
            let isRight =
                probe.contains.map { answer.text.lowercased().contains($0.lowercased()) } ?? !answer.text.isEmpty
            guard !isRight else { return nil }
            return ProbeFailure(
                number: number, expected: probe.contains, answerLength: answer.text.count,
                detail: String(answer.text.prefix(RuntimeLimits.quotedAnswerCharacters)))
        } catch {
            return ProbeFailure(number: number, expected: probe.contains, answerLength: nil, detail: error.message)
        }
    }
}
