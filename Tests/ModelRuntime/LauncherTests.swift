import BundleFormat
import Foundation
import MartletTypes
import ModelRuntime
import TestSupport
import Testing

/// What every launcher does, run over each of them.
@Suite("Launchers", .serialized)
struct LauncherTests {
    typealias Kind = RuntimeScene.Kind

    private func scene(_ kind: Kind) async throws -> RuntimeScene { try await RuntimeScene(kind) }

    @Test("an engine starts, answers and is ended", arguments: Kind.allCases)
    func lifecycle(kind: Kind) async throws {
        let scene = try await scene(kind)
        let spec = scene.spec()
        let process = try await scene.ready(spec)
        let client = EngineClient(socketPath: spec.socketPath)
        let answer = try await client.chat(system: "intent?", user: "I was charged twice", maxTokens: 8)
        #expect(answer.text == "billing")
        #expect(answer.promptTokens ?? 0 > 0 && answer.completionTokens ?? 0 > 0)
        let memory = try #require(process.memory())
        #expect(memory.resident > .mebibytes(1))
        let exit = await process.terminate(grace: .seconds(20))
        #expect(exit.reason != .unobserved)
        #expect(await client.health() == .unreachable)
        #expect(process.memory() == nil)
        #expect(await process.waitForExit() == exit)
    }

    @Test("an adapter changes the answers of its base", arguments: Kind.allCases)
    func adapter(kind: Kind) async throws {
        let scene = try await scene(kind)
        let set = try EvaluationSet(
            parsing: Array(Data(contentsOf: URL(fileURLWithPath: Checkout.fixture("eval/tiny-eval-seen-42.jsonl")))))
        var correct: [Int] = []
        for (generation, adapters) in [
            (1, []), (2, [EngineAdapter(path: TinyModel.adapter)]),
            (3, [EngineAdapter(path: TinyModel.adapter, scale: 0.5)]),
        ] {
            let spec = scene.spec(generation: generation, adapters: adapters)
            let process = try await scene.ready(spec)
            let result = await Evaluator().run(
                rows: set.rows, threshold: EvaluationThreshold(minAccuracy: 0.95),
                client: EngineClient(socketPath: spec.socketPath), concurrency: 4)
            #expect(result.failed == 0 && result.rows == 42)
            correct.append(result.correct)
            if generation < 3 { #expect(result.passed == (generation == 2)) }
            _ = await process.terminate(grace: .seconds(20))
        }
        #expect(correct[0] == 26 && correct[1] == 42)
        #expect(correct[2] >= correct[0])
    }

    @Test("an engine that dies while it loads is reported with its last words", arguments: Kind.allCases)
    func diesOnLoad(kind: Kind) async throws {
        let scene = try await scene(kind)
        let spec = scene.spec(adapters: [EngineAdapter(path: TinyModel.crashingAdapter)])
        let process = try await scene.launcher.launch(spec)
        let error = await #expect(throws: RuntimeError.self) {
            try await EngineClient(socketPath: spec.socketPath).waitUntilReady(timeout: .seconds(120), process: process)
        }
        #expect(error?.code == "engineExited")
        let exit = await process.waitForExit()
        #expect(exit.reason == .signalled(SIGABRT))
        #expect(!exit.logTail.isEmpty)
    }

    @Test("all who wait hear of a kill", arguments: Kind.allCases)
    func killed(kind: Kind) async throws {
        let scene = try await scene(kind)
        let process = try await scene.ready(scene.spec())
        async let first = process.waitForExit()
        async let second = process.waitForExit()
        kill(process.pid, SIGKILL)
        #expect(await first.reason == .signalled(SIGKILL))
        #expect(await second.reason == .signalled(SIGKILL))
    }

    @Test("waiting ends with its task", arguments: Kind.allCases)
    func cancelledWait(kind: Kind) async throws {
        let scene = try await scene(kind)
        let process = try await scene.launcher.launch(scene.spec())
        let waiting = Task { await process.waitForExit() }
        waiting.cancel()
        #expect(await waiting.value.reason == .unobserved)
        _ = await process.terminate(grace: .seconds(20))
    }

    @Test("an engine that ignores the request to end is killed after the grace", arguments: Kind.allCases)
    func ignoresTermination(kind: Kind) async throws {
        let scene = try await scene(kind)
        let process = try await scene.ready(scene.spec())
        // A stopped process cannot act on SIGTERM; a cancelled grace is over at once.
        kill(process.pid, SIGSTOP)
        let ending = Task { await process.terminate(grace: .seconds(600)) }
        ending.cancel()
        #expect(await ending.value.reason == .signalled(SIGKILL))
    }

    @Test("what an earlier run left is ended and removed", arguments: Kind.allCases)
    func sweep(kind: Kind) async throws {
        let scene = try await scene(kind)
        let left = try await scene.ready(scene.spec(generation: 1))
        let dead = scene.spec(generation: 2)
        let gone = try await scene.ready(dead)
        kill(gone.pid, SIGKILL)
        _ = await gone.waitForExit()
        #expect(FileManager.default.fileExists(atPath: dead.socketPath))
        await scene.launcher.sweep()
        #expect(await left.waitForExit().reason == .signalled(SIGKILL))
        #expect(!FileManager.default.fileExists(atPath: dead.socketPath))
        #expect(!FileManager.default.fileExists(atPath: scene.spec(generation: 1).socketPath))
    }

    @Test("a socket left by a dead engine does not stop the next one", arguments: Kind.allCases)
    func staleSocket(kind: Kind) async throws {
        let scene = try await scene(kind)
        let spec = scene.spec()
        let first = try await scene.ready(spec)
        kill(first.pid, SIGKILL)
        _ = await first.waitForExit()
        let second = try await scene.ready(spec)
        await #expect(throws: RuntimeError.self) { try await scene.launcher.launch(spec) }
        _ = await second.terminate(grace: .seconds(20))
    }

    @Test("specifications out of bounds are refused by name", arguments: Kind.allCases)
    func refusedSpecifications(kind: Kind) async throws {
        let scene = try await scene(kind)
        func code(_ change: (inout EngineSpec) -> Void) async -> String? {
            var spec = scene.spec()
            change(&spec)
            do throws(RuntimeError) {
                _ = await (try scene.launcher.launch(spec)).terminate(grace: .zero)
                return nil
            } catch {
                return error.code
            }
        }
        let long = "/tmp/" + String(repeating: "x", count: 120) + ".sock"
        #expect(await code { $0.socketPath = long } == "socketPathTooLong")
        #expect(await code { $0.socketPath = "relative.sock" } == "invalidSetting")
        #expect(await code { $0.engine = "other" } == "engineMissing")
        #expect(await code { $0.modelPaths = [] } == "invalidSetting")
        #expect(await code { $0.modelPaths = ["--help"] } == "invalidSetting")
        #expect(await code { $0.settings.threads = 0 } == "invalidSetting")
        #expect(await code { $0.settings.parallelRequests = 10_000 } == "invalidSetting")
        #expect(await code { $0.settings.contextTokens = -1 } == "invalidSetting")
        #expect(await code { $0.adapters = [EngineAdapter(path: "/a,b.gguf")] } == "invalidSetting")
        #expect(await code { $0.adapters = [EngineAdapter(path: "/a.gguf", scale: .nan)] } == "invalidSetting")
    }
}
