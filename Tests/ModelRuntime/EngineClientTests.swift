import BundleFormat
import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing

@Suite("Asking engines")
struct EngineClientTests {
    private func client(
        _ script: @escaping @Sendable (Int) -> [ScriptedEngine.Step],
        _ body: (EngineClient, ScriptedEngine) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder("rt")
        let engine = ScriptedEngine(script)
        try await engine.listen(folder.file("e.sock"))
        try await body(EngineClient(socketPath: folder.file("e.sock")), engine)
        try await engine.stop()
    }

    private static func answer(_ text: String) -> String {
        ScriptedEngine.json(#"{"choices":[{"message":{"role":"assistant","content":"\#(text)"}}]}"#)
    }

    @Test("health is told from the status alone")
    func health() async throws {
        let statuses = ["503 Service Unavailable", "200 OK", "500 Internal Server Error", "404 Not Found"]
        try await client({ [.send(ScriptedEngine.json("{}", status: statuses[$0 - 1]))] }) { client, _ in
            var found: [EngineHealth] = []
            for _ in statuses { found.append(await client.health()) }
            #expect(found == [.loading, .ready, .unreachable, .unreachable])
        }
        #expect(await EngineClient(socketPath: "/nonexistent/e.sock").health() == .unreachable)
        let long = EngineClient(socketPath: "/" + String(repeating: "x", count: 200))
        #expect(await long.health() == .unreachable)
    }

    @Test("an engine that never becomes ready is given up by name")
    func neverReady() async throws {
        let loading = ScriptedEngine.json("{}", status: "503 Service Unavailable")
        try await client({ _ in [.send(loading), .close] }) { client, _ in
            let error = await #expect(throws: RuntimeError.self) {
                try await client.waitUntilReady(timeout: .milliseconds(200), process: nil)
            }
            #expect(error?.code == "engineNotReady" && error?.remedy.isEmpty == false)
        }
    }

    @Test("waiting for an engine ends with its task")
    func cancelledWait() async throws {
        try await client({ _ in [] }) { client, engine in
            let waiting = Task { try await client.waitUntilReady(timeout: .seconds(600), process: nil) }
            try await eventually(within: 60, "the engine is asked") { !engine.requests.isEmpty }
            waiting.cancel()
            await #expect(throws: (any Error).self) { try await waiting.value }
            // On a busy machine it may have been asked more than once: each question ends by itself after a while.
            try await eventually(within: 60, "the connection is closed") { engine.closed > 0 && engine.openCount == 0 }
        }
    }

    @Test(
        "what is no answer is an error with a code",
        arguments: [
            ([.send(ScriptedEngine.json("{}"))], "engineAnswer"),
            ([.send(ScriptedEngine.json(#"{"choices":[]}"#))], "engineAnswer"),
            ([.send(ScriptedEngine.json("{", status: "200 OK"))], "engineAnswer"),
            ([.send(ScriptedEngine.json("{}", status: "400 Bad Request"))], "engineAnswer"),
            ([.close], "engineUnreachable"), ([.send("garbage\r\n\r\n"), .close], "engineUnreachable"),
            ([.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), .close], "engineUnreachable"),
            ([], "engineTimeout"),
            ([.send(ScriptedEngine.streamHead), .sendForEver(ScriptedEngine.chunk("xxxx"))], "engineTimeout"),
            (
                [
                    .send(ScriptedEngine.streamHead),
                    .sendForEver(ScriptedEngine.chunk(String(repeating: "x", count: 65_536))),
                ], "engineAnswer"
            ),
        ] as [([ScriptedEngine.Step], String)])
    func noAnswer(steps: [ScriptedEngine.Step], code: String) async throws {
        try await client({ _ in steps }) { client, _ in
            let timeout: Duration = code == "engineTimeout" ? .milliseconds(200) : .seconds(60)
            let error = await #expect(throws: RuntimeError.self) {
                try await client.chat(system: nil, user: "x", maxTokens: 1, timeout: timeout)
            }
            #expect(error?.code == code)
        }
    }

    @Test("a question holds what was asked for and nothing more")
    func question() async throws {
        try await client({ _ in [.send(Self.answer("yes"))] }) { client, engine in
            let answer = try await client.chat(
                system: "s", user: "ü\"", grammar: "root ::= \"a\"", maxTokens: 3, seed: 5)
            #expect(answer.text == "yes" && answer.promptTokens == nil)
            let body = try #require(engine.requests.first?.components(head: "\r\n\r\n").body)
            let value = try JSONValue(parsing: Array(body.utf8))
            #expect(value["temperature"]?.integer == 0 && value["seed"]?.integer == 5)
            #expect(value["max_tokens"]?.integer == 3 && value["stream"]?.bool == false)
            #expect(value["grammar"]?.string == "root ::= \"a\"")
            #expect(value["messages"]?.array?.map { $0["content"]?.string } == ["s", "ü\""])
        }
    }

    @Test("probes stop at the first that is not answered as demanded, and quote little of it")
    func probes() async throws {
        let long = "No " + String(repeating: "secret ", count: 50)
        try await client({ [.send(Self.answer($0 == 1 ? "It is BILLING." : long))] }) { client, engine in
            let probes = try [
                Probe(prompt: "a", contains: "billing"), Probe(prompt: "b", contains: "refund"), Probe(prompt: "c"),
            ].map { try ProbeCheck($0) }
            guard case .failed(let failure) = await Prober().run(probes, client: client) else {
                Issue.record("passed")
                return
            }
            #expect(engine.requests.count == 2)
            #expect(failure.number == 2 && failure.wanted.contains("refund") && failure.answerLength == long.count)
            #expect(failure.detail.count == RuntimeLimits.quotedAnswerCharacters)
        }
    }

    @Test("an engine that says nothing fails even without probes")
    func noProbes() async throws {
        try await client({ $0 == 1 ? [.send(Self.answer(""))] : [.send(Self.answer("hi"))] }) { client, _ in
            #expect(await Prober().run([], client: client).isPassed == false)
            #expect(await Prober().run([], client: client) == .passed(count: 0))
        }
    }

    @Test("an evaluation counts right, wrong and missing answers, and tells how far it is")
    func evaluation() async throws {
        let answers = [Self.answer(" Refund\n".replacing("\n", with: "\\n")), Self.answer("bug")]
        try await client({ $0 <= 2 ? [.send(answers[$0 - 1])] : [.close] }) { client, _ in
            let rows = (1...3).map { EvaluationRow(input: "\($0)", expected: "refund") }
            let seen = Mutex<[Evaluator.Progress]>([])
            let result = await Evaluator().run(
                rows: rows, threshold: EvaluationThreshold(minAccuracy: 0.5), client: client
            ) { progress in seen.withLock { $0.append(progress) } }
            #expect(result.rows == 3 && result.correct == 1 && result.failed == 1)
            #expect(!result.passed && result.medianMilliseconds > 0)
            #expect(seen.withLock { $0.map(\.done) } == [1, 2, 3])
            #expect(seen.withLock { $0.map(\.correct) } == [1, 1, 1])
        }
    }
}

@Suite("Evaluation sets on a device")
struct EvaluationSamplingTests {
    @Test("samples lie evenly over the set", arguments: [(nil, 10), (20, 10), (10, 10), (5, 5), (1, 1), (0, 0)])
    func sample(count: Int?, size: Int) throws {
        let lines = (0..<10).map { "{\"input\":\"\($0)\",\"expected\":\"x\"}" }.joined(separator: "\n")
        let sample = try EvaluationSet(parsing: Array(lines.utf8)).sample(count)
        #expect(sample.count == size)
        if size == 5 { #expect(sample.map(\.input) == ["0", "2", "4", "6", "8"]) }
    }

    @Test(
        "answers are compared as the row says",
        arguments: [
            (nil, "Refund", " refund \n", true), (.label, "refund", "refund.", false), (.exact, "a", "a", true),
            (.exact, "a", "A", false), (.exact, "a", "a ", false), (.contains, "Bill", "the BILLING desk", true),
            (.contains, "x", "", false),
        ] as [(EvaluationRow.Comparison?, String, String, Bool)])
    func comparison(comparison: EvaluationRow.Comparison?, expected: String, answer: String, isRight: Bool) {
        #expect(EvaluationRow(input: "i", expected: expected, comparison: comparison).accepts(answer) == isRight)
    }
}
