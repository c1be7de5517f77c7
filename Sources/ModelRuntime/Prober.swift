package import BundleFormat
internal import MartletTypes

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
    /// What was demanded, in words.
    package let wanted: String
    /// The length of the answer in characters; nil where there was none.
    package let answerLength: Int?
    /// The beginning of the answer, or why there was none.
    package let detail: String

    package var description: String {
        guard let answerLength else { return "probe \(number) expected \(wanted) and got none: \(detail)" }
        return "probe \(number) expected \(wanted) and got \(answerLength) characters: \"\(detail)\""
    }
}

/// Asks an engine the probes of a release, one after the other.
package struct Prober: Sendable {
    package init() {}

    /// Asks until one fails. Without probes, one plain question must be answered: an engine that is healthy and says
    /// nothing is not worth a switch. Of one that embeds, which may be all that it can, a vector is demanded instead;
    /// of one that does not speak the OpenAI API, nothing beyond being ready.
    package func run(
        _ checks: [ProbeCheck], client: EngineClient, embeds: Bool = false, speaks: EngineProtocol = .openai
    ) async -> ProbeResult {
        guard !checks.isEmpty else {
            guard speaks == .openai else { return .passed(count: 0) }
            return embeds ? await askForVector(client) : await askPlainly(client)
        }
        for (index, check) in checks.enumerated() {
            if let failure = await ask(check, number: index + 1, client: client) { return .failed(failure) }
        }
        return .passed(count: checks.count)
    }

    private func askPlainly(_ client: EngineClient) async -> ProbeResult {
        do throws(RuntimeError) {
            let answer = try await client.chat(system: nil, user: "Hello", maxTokens: 4)
            guard answer.text.isEmpty else { return .passed(count: 0) }
            return .failed(ProbeFailure(number: 1, wanted: "any answer", answerLength: 0, detail: ""))
        } catch {
            return .failed(ProbeFailure(number: 1, wanted: "any answer", answerLength: nil, detail: error.message))
        }
    }

    private func askForVector(_ client: EngineClient) async -> ProbeResult {
        func failed(_ detail: String) -> ProbeResult {
            .failed(ProbeFailure(number: 1, wanted: "a vector", answerLength: nil, detail: detail))
        }
        do throws(RuntimeError) {
            let vector = try await client.embedding(of: "Hello")
            return vector.isEmpty || !vector.allSatisfy(\.isFinite) ? failed("no vector of numbers") : .passed(count: 0)
        } catch {
            return failed(error.message)
        }
    }

    private func ask(_ check: ProbeCheck, number: Int, client: EngineClient) async -> ProbeFailure? {
        let probe = check.probe
        do throws(RuntimeError) {
            let answer = try await answer(probe, client)
            guard let wanted = check.refusal(of: answer.text) else { return nil }
            return ProbeFailure(
                number: number, wanted: wanted, answerLength: answer.text.count,
                detail: String(answer.text.prefix(RuntimeLimits.quotedAnswerCharacters)))
        } catch {
            return ProbeFailure(number: number, wanted: check.demand, answerLength: nil, detail: error.message)
        }
    }

    private func answer(_ probe: Probe, _ client: EngineClient) async throws(RuntimeError) -> ChatAnswer {
        if let request = probe.request { return try await client.ask(request) }
        return try await client.chat(
            system: probe.system, user: probe.prompt, schema: probe.constrain == true ? probe.schema : nil,
            maxTokens: probe.maxTokens ?? EvaluationRow.defaultMaxTokens)
    }
}
