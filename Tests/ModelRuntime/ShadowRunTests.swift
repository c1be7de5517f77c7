import Foundation
import MartletTypes
import ModelRuntime
import NIOHTTP1
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A gateway before a scripted engine, and a scripted candidate beside it.
private struct ShadowScene: Sendable {
    let faults: FaultScene
    let candidate: ScriptedEngine
    var policy: ShadowPolicy
    var parallel = 1
    var mayAsk: @Sendable () -> Bool = { true }
    var random: @Sendable () -> Double = { 0 }

    /// The route is generation 1, the candidate listens as the second.
    static func run(
        _ policy: ShadowPolicy, live: @escaping @Sendable (Int) -> [ScriptedEngine.Step],
        candidate script: @escaping @Sendable (Int) -> [ScriptedEngine.Step],
        _ body: @Sendable @escaping (ShadowScene) async throws -> Void
    ) async throws {
        let candidate = ScriptedEngine(script)
        try await FaultScene.run(live) { faults in
            try await candidate.listen(faults.folder.file("2.sock"))
            try await body(ShadowScene(faults: faults, candidate: candidate, policy: policy))
        }
        try await candidate.stop()
    }

    func shadow(progress: @escaping @Sendable (ShadowResult) -> Void = { _ in }) async -> ShadowResult {
        let run = ShadowRun(
            policy: policy, gateway: faults.gateway,
            live: ShadowRun.Live(
                slot: faults.slot, generation: 1, client: EngineClient(socketPath: faults.folder.file("1.sock")),
                parallelRequests: parallel),
            candidate: EngineClient(socketPath: faults.folder.file("2.sock")), mayAsk: mayAsk, random: random)
        return await run.run(progress: progress)
    }

    /// Shadows under load until its time is over: a second, and longer where a busy machine did not do enough in it.
    func shadowForAWhile(
        _ body: String = Question.chat(), isEnough: @Sendable (ShadowResult) async -> Bool
    ) async throws -> ShadowResult {
        var scene = self
        for seconds in [1, 5] {
            scene.policy.maxSeconds = seconds
            let result = try await scene.shadowUnderLoad(body)
            if await isEnough(result) { return result }
        }
        scene.policy.maxSeconds = 60
        return try await scene.shadowUnderLoad(body)
    }

    /// Shadows while a client asks one question after the other.
    func shadowUnderLoad(_ body: String = Question.chat()) async throws -> ShadowResult {
        try await withThrowingTaskGroup(of: ShadowResult?.self) { group in
            group.addTask { await shadow() }
            group.addTask {
                while !Task.isCancelled {
                    let answer = try await faults.ask(body)
                    #expect(answer.status == 200)
                }
                return nil
            }
            let result = try await group.next() ?? nil
            group.cancelAll()
            return try #require(result)
        }
    }
}

@Suite("Shadowing a candidate")
struct ShadowRunTests {
    private static func answer(_ text: String, _ timings: String = "") -> String {
        ScriptedEngine.json(
            #"{"choices":[{"index":0,"message":{"role":"assistant","content":"\#(text)"}}]\#(timings)}"#)
    }

    private static func stream(_ pieces: [String]) -> String {
        let events = pieces.map { #"data: {"choices":[{"index":0,"delta":{"content":"\#($0)"}}]}"# + "\n\n" }
        let last = #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\ndata: [DONE]\n\n"
        return ScriptedEngine.streamHead + (events + [last]).map(ScriptedEngine.chunk).joined() + "0\r\n\r\n"
    }

    private static func tool(_ arguments: String) -> String {
        let call = #"{"function":{"name":"book","arguments":"\#(arguments)"}}"#
        return ScriptedEngine.json(#"{"choices":[{"message":{"content":null,"tool_calls":[\#(call)]}}]}"#)
    }

    private static func policy(
        _ comparison: ShadowPolicy.Comparison = .label, samples: Int = 4, share: Int = 1000, least: Int? = nil,
        seconds: Int = 600
    ) -> ShadowPolicy {
        ShadowPolicy(
            sharePermille: share, comparison: comparison, samples: samples, maxSeconds: seconds,
            minAgreementPermille: least)
    }

    @Test(
        "answers are compared as the policy says, whole, whether streamed or not",
        arguments: [
            (.label, answer("Refund"), answer(" refund "), true), (.label, answer("refund"), answer("refund."), false),
            (.normalized, answer("It is a  refund!"), answer("it is, a refund"), true),
            (.normalized, answer("a refund"), answer("refund"), false),
            (.label, stream(["Re", "fu", "nd"]), answer("refund"), true),
            (.label, stream(["Re", "fu"]), answer("refund"), false),
            (.label, tool(#"{\"day\": 1, \"room\": 2}"#), tool(#"{\"room\":2,\"day\":1}"#), true),
            (.label, tool(#"{\"day\": 1}"#), tool(#"{\"day\": 2}"#), false),
            (
                .label, ScriptedEngine.json(#"{"choices":[{"text":"a"}]}"#),
                ScriptedEngine.json(#"{"choices":[{"text":"A"}]}"#), true
            ),
        ] as [(ShadowPolicy.Comparison, String, String, Bool)])
    func comparison(comparison: ShadowPolicy.Comparison, live: String, candidate: String, agrees: Bool) async throws {
        let policy = Self.policy(comparison, samples: 2)
        try await ShadowScene.run(policy, live: { _ in [.send(live)] }, candidate: { _ in [.send(candidate)] }) {
            scene in
            let result = try await scene.shadowUnderLoad()
            #expect(result.compared == 2 && result.agreed == (agrees ? 2 : 0) && result.failed == 0)
            #expect(result.liveMedianMilliseconds > 0 && result.candidateMedianMilliseconds > 0)
        }
    }

    @Test("the candidate is asked the same, at once and not as a stream; its engine's clock is read")
    func question() async throws {
        let timings = #","usage":{"completion_tokens":4},"timings":{"predicted_n":4,"predicted_ms":"#
        try await ShadowScene.run(
            Self.policy(samples: 1), live: { _ in [.send(Self.answer("a", timings + "8.0}"))] },
            candidate: { _ in [.send(Self.answer("a", timings + "12.0}"))] }
        ) { scene in
            let body =
                #"{"model":"triage","stream":true,"stream_options":{"include_usage":true},"seed":7,"temperature":0.1,"#
                + #""messages":[{"role":"user","content":"ü"}]}"#
            let result = try await scene.shadowUnderLoad(body)
            let asked = try #require(scene.candidate.requests.first?.components(head: "\r\n\r\n").body)
            let value = try JSONValue(parsing: Array(asked.utf8))
            #expect(value["stream"]?.bool == false && value["stream_options"] == nil)
            #expect(value["seed"]?.integer == 7 && value["temperature"] == .number(0.1))
            #expect(value["messages"]?.array?.first?["content"]?.string == "ü")
            #expect(result.liveTokenMilliseconds == 2 && result.candidateTokenMilliseconds == 3)
        }
    }

    @Test("vectors of the running engine decide how near two answers are", arguments: [(900, true), (999, false)])
    func embedding(similarity: Int, agrees: Bool) async throws {
        var policy = Self.policy(.embedding, samples: 1)
        policy.minSimilarityPermille = similarity
        // Of whichever two of its answers, the vectors have the cosine 0.95.
        let live = { @Sendable (number: Int) -> [ScriptedEngine.Step] in
            let vector = (0..<50).map { $0 == number % 50 ? "0.05" : "0" }.joined(separator: ",")
            let embedding = #","data":[{"embedding":[\#(0.95.squareRoot()),\#(vector)]}]"#
                .replacing("0.05", with: "\(0.05.squareRoot())")
            return [.send(Self.answer("a refund", embedding))]
        }
        try await ShadowScene.run(policy, live: live, candidate: { _ in [.send(Self.answer("money back"))] }) { scene in
            let result = try await scene.shadowUnderLoad()
            #expect(result.compared == 1 && result.agreed == (agrees ? 1 : 0))
        }
    }

    @Test("a candidate that never answers delays no live request, and what it misses is counted")
    func silent() async throws {
        try await ShadowScene.run(
            Self.policy(), live: { _ in [.send(Self.answer("a"))] }, candidate: { _ in [] }
        ) { scene in
            let asked = Mutex(0)
            let result = try await scene.shadowForAWhile { result in
                // Each time it is asked once.
                let isEnough = result.passedOver > 0 && scene.faults.engine.requests.count > 5
                if !isEnough { asked.withLock { $0 = scene.candidate.requests.count } }
                return isEnough
            }
            #expect(result.compared == 0 && result.passedOver > 0)
            #expect(scene.candidate.requests.count == asked.withLock { $0 } + 1)
            let interval = try #require(await scene.faults.gateway.takeMeasurements().first)
            #expect(interval.generation == 1 && interval.errors.isEmpty && interval.requests > 3)
        }
    }

    @Test("a candidate that fails did not agree", arguments: [0, 1, 2])
    func failing(_ kind: Int) async throws {
        let steps: [[ScriptedEngine.Step]] = [
            [.close], [.send(ScriptedEngine.json("{}", status: "500 Internal Server Error"))],
            [.send(ScriptedEngine.json("{}"))],
        ]
        try await ShadowScene.run(
            Self.policy(samples: 2), live: { _ in [.send(Self.answer("a"))] }, candidate: { _ in steps[kind] }
        ) { scene in
            let result = try await scene.shadowUnderLoad()
            #expect(result.compared == 2 && result.failed == 2 && result.agreed == 0)
        }
    }

    @Test("a candidate is not asked while memory or heat forbid it, while it is busy, or beyond the share")
    func forbidden() async throws {
        let live = { @Sendable (_: Int) -> [ScriptedEngine.Step] in [.send(Self.answer("a"))] }
        try await ShadowScene.run(Self.policy(), live: live, candidate: live) { scene in
            var hot = scene
            hot.mayAsk = { false }
            let result = try await hot.shadowForAWhile { $0.passedOver > 0 }
            #expect(result.compared == 0 && result.passedOver > 0)
            var outside = scene
            outside.random = { 1 }
            outside.policy.maxSeconds = 1
            #expect(try await outside.shadowUnderLoad().passedOver == 0)
            #expect(scene.candidate.requests.isEmpty)
        }
        let busy = ScriptedEngine.json("{}", status: "503 Service Unavailable")
        try await ShadowScene.run(Self.policy(), live: live, candidate: { _ in [.send(busy)] }) { scene in
            let result = try await scene.shadowForAWhile { $0.passedOver > 0 }
            #expect(result.compared == 0 && result.failed == 0 && result.passedOver > 0)
        }
        try await ShadowScene.run(Self.policy(), live: live, candidate: live) { scene in
            let large = Question.chat(String(repeating: "x", count: RuntimeLimits.shadowBodyBytes))
            let result = try await scene.shadowForAWhile(large) { $0.passedOver > 0 }
            #expect(result.compared == 0 && result.passedOver > 0 && scene.candidate.requests.isEmpty)
        }
    }

    @Test("a question to the candidate is broken off as soon as live requests wait for their engine")
    func yields() async throws {
        let isStuck = Mutex(false)
        let live = { @Sendable (_: Int) -> [ScriptedEngine.Step] in
            isStuck.withLock { $0 } ? [] : [.send(Self.answer("a"))]
        }
        try await ShadowScene.run(Self.policy(seconds: 600), live: live, candidate: { _ in [] }) { scene in
            let shadowing = Task { await scene.shadow() }
            try await eventually(within: 30, "the candidate is asked") {
                try await scene.faults.ask().status == 200 && scene.candidate.requests.count == 1
            }
            #expect(scene.candidate.closed == 0)
            let asked = scene.faults.engine.requests.count
            isStuck.withLock { $0 = true }
            let waiting = (0..<2).map { _ in Task { try await scene.faults.ask() } }
            try await eventually(within: 30, "the question is broken off") { scene.candidate.closed == 1 }
            shadowing.cancel()
            #expect(await shadowing.value.compared == 0)
            // The gateway counts them before their engine has them; one that came later would get no answer.
            try await eventually(within: 30, "both are with the engine") {
                scene.faults.engine.requests.count == asked + 2
            }
            scene.faults.engine.goOn(Self.answer("a"))
            for task in waiting { #expect(try await task.value.status == 200) }
        }
    }

    @Test("it ends as soon as too few can agree any more, and tells of each quarter before")
    func refuted() async throws {
        let answers = { @Sendable (number: Int) -> [ScriptedEngine.Step] in
            [.send(Self.answer(number <= 6 ? "a" : "b"))]
        }
        try await ShadowScene.run(
            Self.policy(samples: 8, least: 900), live: { _ in [.send(Self.answer("a"))] }, candidate: answers
        ) { scene in
            let result = try await scene.shadowUnderLoad()
            // Of 8 all must agree: the first that does not ends it.
            #expect(result.compared == 7 && result.agreed == 6)
            #expect(scene.policy.isRefuted(by: result) && !scene.policy.isInconclusive(result))
        }
    }

    @Test("a run that is called off leaves nothing behind in the gateway")
    func cancelled() async throws {
        let live = { @Sendable (_: Int) -> [ScriptedEngine.Step] in [.send(Self.answer("a"))] }
        try await ShadowScene.run(Self.policy(samples: 1000), live: live, candidate: live) { scene in
            let told = Mutex(0)
            let shadowing = Task { await scene.shadow { _ in told.withLock { $0 += 1 } } }
            try await eventually(within: 30, "the candidate is asked") {
                try await scene.faults.ask().status == 200 && !scene.candidate.requests.isEmpty
            }
            shadowing.cancel()
            _ = await shadowing.value
            let asked = scene.candidate.requests.count
            for _ in 0..<5 { #expect(try await scene.faults.ask().status == 200) }
            // One may have been on its way when the run ended.
            #expect(scene.candidate.requests.count <= asked + 1 && told.withLock { $0 } == 0)
        }
    }

    @Test(
        "a policy judges what there is, and never what is missing",
        arguments: [
            (nil, 0, 10, false, false), (900, 9, 10, false, false), (900, 8, 10, true, false),
            (900, 3, 4, false, true), (900, 2, 4, true, false), (900, 9, 9, false, false), (1000, 0, 0, false, true),
            (nil, 0, 0, false, true), (0, 0, 10, false, false),
        ] as [(Int?, Int, Int, Bool, Bool)])
    func judgement(least: Int?, agreed: Int, compared: Int, refuted: Bool, inconclusive: Bool) {
        let policy = Self.policy(samples: 10, least: least)
        let result = ShadowResult(
            compared: compared, agreed: agreed, failed: 0, passedOver: 0, liveMedianMilliseconds: 0,
            candidateMedianMilliseconds: 0)
        #expect(policy.isRefuted(by: result) == refuted && policy.isInconclusive(result) == inconclusive)
    }
}
