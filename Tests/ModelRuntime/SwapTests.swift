import Foundation
import MartletTypes
import ModelRuntime
import NIOHTTP1
import Synchronization
import Telemetry
import TestSupport
import Testing

/// What a crowd of clients counted.
final class LoadCount: Sendable {
    private let state = Mutex((sent: 0, failures: [String]()))

    var sent: Int { state.withLock { $0.sent } }
    var failures: [String] { state.withLock { $0.failures } }

    func count(_ failure: String?) {
        state.withLock { state in
            state.sent += 1
            if let failure { state.failures.append(failure) }
        }
    }
}

/// Clients that ask without pause, half of them streaming, until they are cancelled.
func load(port: Int, clients: Int, count: LoadCount) async {
    await withTaskGroup(of: Void.self) { group in
        for number in 0..<clients {
            group.addTask {
                var client: GatewayClient?
                while !Task.isCancelled {
                    let isStream = number.isMultiple(of: 2)
                    do {
                        let connected = if let client { client } else { try await GatewayClient.connect(port: port) }
                        client = connected
                        let answer = try await connected.ask(body: Question.chat("Case \(number)", stream: isStream))
                        let isGood =
                            answer.status == 200 && answer.isWhole
                            && (!isStream || answer.text.hasSuffix("data: [DONE]\n\n"))
                        count.count(
                            isGood ? nil : "\(answer.status) whole \(answer.isWhole): \(answer.text.suffix(200))")
                    } catch {
                        client = nil
                        count.count("\(error)")
                    }
                }
                await client?.close()
            }
        }
    }
}

@Suite("Swaps under load", .serialized)
struct SwapTests {
    private let swaps = 6
    private let between = 60

    /// Waits until that many more requests were answered.
    private func more(_ count: LoadCount, _ requests: Int) async throws {
        let goal = count.sent + requests
        try await eventually(within: 120, "\(requests) more answers") { count.sent >= goal }
    }

    private func swapping(
        _ swap:
            @Sendable @escaping (RuntimeScene, Gateway, any RuntimeProcess, EngineSpec) async throws ->
            any RuntimeProcess
    ) async throws -> [GatewayInterval] {
        let scene = try await RuntimeScene()
        let count = LoadCount()
        let intervals = try await withGateway { [swaps, between] gateway, port in
            let first = scene.spec(generation: 1)
            var process = try await scene.ready(first)
            await gateway.setRoute(
                slot: scene.slot, generation: 1, release: .test(1), socketPath: first.socketPath,
                keepsAlive: true)
            let crowd = Task { await load(port: port, clients: 6, count: count) }
            for generation in 2..<(2 + swaps) {
                try await more(count, between)
                let next = scene.spec(
                    generation: generation, model: generation.isMultiple(of: 2) ? TinyModel.v2 : TinyModel.v1)
                process = try await swap(scene, gateway, process, next)
            }
            try await more(count, between)
            crowd.cancel()
            await crowd.value
            _ = await process.terminate(grace: .seconds(20))
            return await gateway.takeMeasurements()
        }
        #expect(count.failures.isEmpty)
        #expect(count.sent >= swaps * between)
        #expect(intervals.map(\.requests).reduce(0, +) == UInt64(count.sent))
        #expect(intervals.allSatisfy { $0.errors.isEmpty && $0.refused == 0 && $0.cutStreams == 0 })
        #expect(Set(intervals.map(\.generation)) == Set(1..<(2 + swaps)))
        return intervals
    }

    @Test("no request fails while candidates take over side by side")
    func sideBySide() async throws {
        let intervals = try await swapping { scene, gateway, old, next in
            let candidate = try await scene.ready(next)
            await gateway.setRoute(
                slot: scene.slot, generation: next.generation, release: .test(next.generation),
                socketPath: next.socketPath, keepsAlive: true)
            let drained = await gateway.drain(scene.slot, generation: next.generation - 1, deadline: .seconds(60))
            #expect(drained.cutStreams == 0)
            _ = await old.terminate(grace: .seconds(20))
            return candidate
        }
        let all = intervals.reduce(into: ExponentialHistogram()) { $0.merge($1.timeToFirstToken) }
        #expect(all.count > 0)
        #expect(intervals.allSatisfy { $0.outputTokens.count == $0.requests && $0.inputTokens.count == $0.requests })
        #expect(intervals.allSatisfy { $0.duration.count == $0.requests && $0.replayed == 0 })
    }

    @Test("no request fails while an engine is replaced with its slot parked")
    func parkDrainReplace() async throws {
        _ = try await swapping { scene, gateway, old, next in
            await gateway.park(scene.slot)
            let drained = await gateway.drain(scene.slot, generation: next.generation - 1, deadline: .seconds(60))
            #expect(drained.cutStreams == 0)
            _ = await old.terminate(grace: .seconds(20))
            let candidate = try await scene.ready(next)
            await gateway.setRoute(
                slot: scene.slot, generation: next.generation, release: .test(next.generation),
                socketPath: next.socketPath, keepsAlive: true)
            await gateway.unpark(scene.slot)
            return candidate
        }
    }

    @Test("answers that had not begun survive the death of their engine")
    func deathUnderLoad() async throws {
        let scene = try await RuntimeScene()
        let count = LoadCount()
        let replayed = try await withGateway { gateway, port in
            var spec = scene.spec(generation: 1)
            var process = try await scene.ready(spec)
            await gateway.setRoute(
                slot: scene.slot, generation: 1, release: .test(1), socketPath: spec.socketPath, keepsAlive: true)
            // Whole answers only: a stream that has begun cannot be asked for again.
            let crowd = Task {
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            guard let client = try? await GatewayClient.connect(port: port) else { return }
                            while !Task.isCancelled {
                                let answer = try? await client.ask(body: Question.chat(tokens: 64))
                                count.count(answer?.status == 200 ? nil : "\(String(describing: answer))")
                            }
                            await client.close()
                        }
                    }
                }
            }
            for generation in 2...4 {
                try await more(count, 20)
                kill(process.pid, SIGKILL)
                _ = await process.waitForExit()
                await gateway.park(scene.slot)
                spec = scene.spec(generation: generation)
                process = try await scene.ready(spec)
                await gateway.setRoute(
                    slot: scene.slot, generation: generation, release: .test(1), socketPath: spec.socketPath,
                    keepsAlive: true)
                await gateway.unpark(scene.slot)
            }
            try await more(count, 20)
            crowd.cancel()
            await crowd.value
            _ = await process.terminate(grace: .seconds(20))
            return await gateway.takeMeasurements().map(\.replayed).reduce(0, +)
        }
        #expect(count.failures.isEmpty)
        #expect(replayed > 0)
    }
}
