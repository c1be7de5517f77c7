import HTTPTypes
import MartletTypes
import RegistryClient

/// What one request came to.
struct Outcome: Sendable {
    let gateway: String
    let milliseconds: Double
    /// Nil is success; else what went wrong.
    let failure: String?
    let streamed: Bool
}

/// Asks one gateway, one request after the other.
struct Worker: Sendable {
    let origin: Origin
    let model: String
    let rows: [EvaluationRow]
    let first: Int
    let streamEvery: Int
    let maxTokens: Int
    let least: Int
    let rest: Duration

    func run(until stop: StopSignal) async throws -> [Outcome] {
        let client = try HTTPClient(origin: origin)
        var outcomes: [Outcome] = []
        var number = first
        while !stop.isSet || outcomes.count < least {
            let isStreamed = streamEvery > 0 && number % streamEvery == 0
            let start = ContinuousClock.now
            let failure = await ask(client, rows[number % rows.count], streamed: isStreamed)
            let parts = (ContinuousClock.now - start).components
            let milliseconds = Double(parts.seconds) * 1000 + Double(parts.attoseconds) / 1e15
            outcomes.append(
                Outcome(gateway: origin.text, milliseconds: milliseconds, failure: failure, streamed: isStreamed))
            number += 1
            if rest > .zero { try await Task.sleep(for: rest) }
        }
        await client.close()
        return outcomes
    }

    /// Nil where a whole, well-formed answer came.
    private func ask(_ client: HTTPClient, _ row: EvaluationRow, streamed: Bool) async -> String? {
        do {
            if let question = row.request { return try await ask(client, question) }
            let body = ChatRequest(model: model, row: row, maxTokens: maxTokens, stream: streamed)
            let call = HTTPCall(
                .post, "/v1/chat/completions", fields: [.contentType: "application/json"],
                body: .bytes(try JSONText.encode(body)), patience: .seconds(120))
            let reply = try await client.perform(call, limit: 1024 * 1024)
            guard reply.status == 200 else {
                return "status \(reply.status): \(String(decoding: reply.body.prefix(200), as: UTF8.self))"
            }
            if streamed {
                // A stream that was cut has no terminator.
                return String(decoding: reply.body, as: UTF8.self).contains("data: [DONE]")
                    ? nil : "stream without [DONE]"
            }
            let answer = try JSONText.decode(ChatReply.self, from: reply.body)
            return answer.choices.isEmpty ? "answer without choices" : nil
        } catch {
            return "\(error)"
        }
    }
}

extension Worker {
    /// The same of a slot that serves no language model; the answer must have something where the row says.
    private func ask(_ client: HTTPClient, _ question: EngineQuestion) async throws -> String? {
        let call = HTTPCall(
            question.body == nil ? .get : .post, "/v1/slots/\(model)\(question.path)",
            fields: [.contentType: "application/json"],
            body: .bytes(try question.body.map { try JSONText.encode($0) } ?? []), patience: .seconds(120))
        let reply = try await client.perform(call, limit: 1024 * 1024)
        guard reply.status == 200 else {
            return "status \(reply.status): \(String(decoding: reply.body.prefix(200), as: UTF8.self))"
        }
        return question.text(of: reply.body) == nil ? "answer without \(question.answer ?? "")" : nil
    }
}

private struct ChatRequest: Encodable {
    struct Message: Encodable {
        let role: String
        let content: String
    }

    let model: String
    let messages: [Message]
    let maxTokens: Int
    let temperature = 0
    let stream: Bool

    enum CodingKeys: String, CodingKey {
        case model, messages, temperature, stream
        case maxTokens = "max_tokens"
    }

    init(model: String, row: EvaluationRow, maxTokens: Int, stream: Bool) {
        self.model = model
        messages =
            (row.system.map { [Message(role: "system", content: $0)] } ?? []) + [
                Message(role: "user", content: row.input)
            ]
        self.maxTokens = maxTokens
        self.stream = stream
    }
}

private struct ChatReply: Decodable {
    struct Choice: Decodable {
        let index: Int
    }

    let choices: [Choice]
}
