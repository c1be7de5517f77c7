package import MartletTypes

/// An engine's answer to one question.
package struct ChatAnswer: Sendable, Hashable {
    /// What it said.
    package let text: String
    /// Tokens of the prompt; nil where the engine does not tell.
    package let promptTokens: Int?
    /// Tokens of the answer; nil where the engine does not tell.
    package let completionTokens: Int?
    /// From asking to the whole answer.
    package let duration: Duration

    package init(text: String, promptTokens: Int?, completionTokens: Int?, duration: Duration) {
        self.text = text
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.duration = duration
    }
}

/// Whether an engine answers.
package enum EngineHealth: Sendable, Hashable {
    /// It listens and loads its model.
    case loading
    /// It answers requests.
    case ready
    /// Nobody listens, or the answer was none.
    case unreachable
}

/// Asks one engine over its UNIX socket.
package struct EngineClient: Sendable {
    /// Where the engine listens.
    package let socketPath: String
    /// The path that answers 200 once the engine is ready, and 503 before.
    package let readyPath: String

    package init(socketPath: String, readyPath: String = EngineTraits.llama.readyPath) {
        self.socketPath = socketPath
        self.readyPath = readyPath
    }

    /// Asks once whether it is ready. A busy engine may be slow to answer; what a time-out means, the caller decides.
    package func health() async -> EngineHealth {
        do throws(RuntimeError) {
            let answer = try await EngineExchange.send(
                socketPath: socketPath, method: "GET", path: readyPath,
                timeout: .seconds(RuntimeLimits.healthSeconds))
            return answer.status == 200 ? .ready : answer.status == 503 ? .loading : .unreachable
        } catch {
            return .unreachable
        }
    }

    /// Asks until the engine is ready. Throws `engineNotReady` after `timeout`, `engineExited` as soon as `process`
    /// ends, and `CancellationError`.
    package func waitUntilReady(timeout: Duration, process: (any RuntimeProcess)? = nil) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while await health() != .ready {
                    try await Task.sleep(for: .milliseconds(RuntimeLimits.healthPollMilliseconds))
                }
            }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw RuntimeError(
                    .engineNotReady, "The engine at \(socketPath) was not ready after \(timeout).",
                    remedy: "Look into its log; a larger model or a slower disk needs a longer time.", fault: .peer)
            }
            if let process {
                group.addTask {
                    let exit = await process.waitForExit()
                    try Task.checkCancellation()
                    throw RuntimeError(
                        .engineExited, "The engine \(exit) before it was ready. Its last words: \(exit.lastLines)",
                        remedy: "Look into its log.", fault: .peer)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Asks one question, with the temperature 0 and the given seed, so that equal questions get equal answers.
    ///
    /// Throws `engineAnswer` where the engine refused or said nothing that is a chat completion, and what
    /// `EngineExchange.send` throws.
    package func chat(
        system: String?, user: String, grammar: String? = nil, schema: JSONValue? = nil, maxTokens: Int, seed: Int = 0,
        timeout: Duration = .seconds(RuntimeLimits.answerSeconds)
    ) async throws(RuntimeError) -> ChatAnswer {
        let question = ChatQuestion(
            system: system, user: user, grammar: grammar, schema: schema, maxTokens: maxTokens, seed: seed)
        let clock = ContinuousClock()
        let start = clock.now
        let answer = try await post(question, to: "/v1/chat/completions", timeout: timeout)
        let duration = clock.now - start
        guard let completion = try? JSONText.decode(ChatCompletion.self, from: answer),
            let choice = completion.choices.first
        else {
            throw RuntimeError(.engineAnswer, "The engine's answer is no chat completion.", fault: .peer)
        }
        return ChatAnswer(
            text: choice.message.content ?? "", promptTokens: completion.usage?.promptTokens,
            completionTokens: completion.usage?.completionTokens, duration: duration)
    }

    /// Asks a plain question. The answer's text is what stands where the question says. Throws `engineAnswer` where the
    /// status is not one of success or nothing stands there, and what `EngineExchange.send` throws.
    package func ask(
        _ question: EngineQuestion, timeout: Duration = .seconds(RuntimeLimits.answerSeconds)
    ) async throws(RuntimeError) -> ChatAnswer {
        var body: [UInt8] = []
        if let value = question.body { body = try Self.encoded(value) }
        let clock = ContinuousClock()
        let start = clock.now
        let answer = try await EngineExchange.send(
            socketPath: socketPath, method: question.body == nil ? "GET" : "POST", path: question.path, body: body,
            timeout: timeout)
        let duration = clock.now - start
        guard (200..<300).contains(answer.status) else { throw Self.refused(answer.status) }
        guard let text = question.text(of: answer.body) else {
            throw RuntimeError(
                .engineAnswer, "The engine's answer has nothing at \(question.answer ?? "").", fault: .peer)
        }
        return ChatAnswer(text: text, promptTokens: nil, completionTokens: nil, duration: duration)
    }

    private static func encoded(_ value: some Encodable) throws(RuntimeError) -> [UInt8] {
        do {
            return try JSONText.encode(value)
        } catch {
            throw RuntimeError(.engineAnswer, "The question could not be written as JSON.", fault: .caller)
        }
    }

    private static func refused(_ status: Int) -> RuntimeError {
        RuntimeError(.engineAnswer, "The engine answered a question with status \(status).", fault: .peer)
    }

    /// The vector of a text. Throws as `chat` does.
    package func embedding(
        of text: String, timeout: Duration = .seconds(RuntimeLimits.answerSeconds)
    ) async throws(RuntimeError) -> [Double] {
        let answer = try await post(["input": text], to: "/v1/embeddings", timeout: timeout)
        guard let list = try? JSONText.decode(EmbeddingList.self, from: answer), let first = list.data.first else {
            throw RuntimeError(.engineAnswer, "The engine's answer is no list of embeddings.", fault: .peer)
        }
        return first.embedding
    }

    private func post(
        _ question: some Encodable, to path: String, timeout: Duration
    ) async throws(RuntimeError) -> [UInt8] {
        let body = try Self.encoded(question)
        let answer = try await EngineExchange.send(
            socketPath: socketPath, method: "POST", path: path, body: body, timeout: timeout)
        guard answer.status == 200 else { throw Self.refused(answer.status) }
        return answer.body
    }
}

extension EngineExit {
    /// The last lines of the log on one line, for messages.
    var lastLines: String {
        let lines = logTail.split(separator: "\n").suffix(3).map(String.init)
        return lines.isEmpty ? "none" : lines.joined(separator: " | ")
    }
}

/// The body of a chat completion request.
private struct ChatQuestion: Encodable {
    struct Message: Encodable {
        let role: String
        let content: String
    }

    /// As the OpenAI API has it: the engine turns the schema into a grammar.
    struct ResponseFormat: Encodable {
        struct Named: Encodable {
            let name = "probe"
            let schema: JSONValue
        }

        let type = "json_schema"
        let schema: Named

        enum CodingKeys: String, CodingKey {
            case type
            case schema = "json_schema"
        }
    }

    let messages: [Message]
    let grammar: String?
    let responseFormat: ResponseFormat?
    let maxTokens: Int
    let temperature = 0
    let seed: Int
    let stream = false

    enum CodingKeys: String, CodingKey {
        case messages, grammar, temperature, seed, stream
        case maxTokens = "max_tokens"
        case responseFormat = "response_format"
    }

    init(system: String?, user: String, grammar: String?, schema: JSONValue?, maxTokens: Int, seed: Int) {
        messages =
            (system.map { [Message(role: "system", content: $0)] } ?? []) + [Message(role: "user", content: user)]
        self.grammar = grammar
        responseFormat = schema.map { ResponseFormat(schema: ResponseFormat.Named(schema: $0)) }
        self.maxTokens = maxTokens
        self.seed = seed
    }
}

/// What of a chat completion is looked at.
private struct ChatCompletion: Decodable {
    struct Choice: Decodable {
        struct Message: Decodable {
            let content: String?
        }
        let message: Message
    }

    struct Usage: Decodable {
        let promptTokens: Int?
        let completionTokens: Int?

        enum CodingKeys: String, CodingKey {
            case promptTokens = "prompt_tokens"
            case completionTokens = "completion_tokens"
        }
    }

    let choices: [Choice]
    let usage: Usage?
}

/// What of a list of embeddings is looked at.
private struct EmbeddingList: Decodable {
    struct Entry: Decodable {
        let embedding: [Double]
    }

    let data: [Entry]
}
