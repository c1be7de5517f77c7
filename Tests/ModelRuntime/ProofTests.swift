import BundleFormat
import MartletTypes
import ModelRuntime
import TestSupport
import Testing

/// Probes and figures of an evaluation, on a real engine.
@Suite("Proof of a candidate", .serialized)
struct ProofTests {
    private static let schema = try? JSONValue(
        parsing: Array(
            #"{"type":"object","properties":{"label":{"enum":["billing","refund"]},"sure":{"type":"boolean"}},"#
                .utf8)
            + Array(#""required":["label","sure"],"additionalProperties":false}"#.utf8))

    @Test("an engine that is made to follow a schema fits it, and one that is not is found out")
    func probes() async throws {
        let scene = try await RuntimeScene()
        let spec = scene.spec()
        let process = try await scene.ready(spec)
        let client = EngineClient(socketPath: spec.socketPath)
        var probe = Probe(
            system: "intent?", prompt: "I was charged twice", schema: Self.schema, constrain: true, maxTokens: 180)
        let passed = await Prober().run([try ProbeCheck(probe)], client: client)
        #expect(passed == .passed(count: 1), "\(passed)")
        probe.constrain = nil
        guard case .failed(let failure) = await Prober().run([try ProbeCheck(probe)], client: client) else {
            Issue.record("passed")
            return
        }
        #expect(failure.wanted.contains("not JSON"))
        let words = Probe(system: "intent?", prompt: "I was charged twice", pattern: "^[a-z]+$", maxTokens: 8)
        let plain = await Prober().run([try ProbeCheck(words)], client: client)
        #expect(plain.isPassed, "\(plain)")
        _ = await process.terminate(grace: .seconds(3))
    }

    @Test("macro-F1 weighs each label alike, and is not told where answers are no labels")
    func figures() async throws {
        // Answered in turn: a a b x, expected a a a b.
        let said = ["a", "A ", "b", "x"]
        let folder = try TemporaryFolder("rt")
        let engine = ScriptedEngine { number in
            let content = said[(number - 1) % 4]
            return [.send(ScriptedEngine.json(#"{"choices":[{"message":{"content":"\#(content)"}}]}"#))]
        }
        try await engine.listen(folder.file("1.sock"))
        let client = EngineClient(socketPath: folder.file("1.sock"))
        var rows = ["a", "a", "a", "b"].map { EvaluationRow(input: "?", expected: $0) }
        let result = await Evaluator().run(rows: rows, client: client)
        // a: two right, three expected, two answered: 2·2/(3+2); b: none right.
        let macroF1 = try #require(result.macroF1)
        #expect(result.correct == 2 && abs(macroF1 - 0.4) < 1e-9)
        let p95 = try #require(result.p95Milliseconds)
        #expect(p95 >= result.medianMilliseconds)
        #expect(result.summary.hasPrefix("2 of 4 right, macro-F1 0.40, median "), "\(result.summary)")
        rows[0].comparison = .contains
        #expect(await Evaluator().run(rows: rows, client: client).macroF1 == nil)
        try await engine.stop()
    }
}
