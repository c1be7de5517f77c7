import AgentStore
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing

@testable import AgentEngine

@Suite("The engines of a slot")
struct EngineSlotTests {
    /// What a slot has run beside it, and what it told.
    private final class Beside: Sendable {
        private struct State {
            var tasks: [Task<Void, Never>] = []
            var over = 0
            var news: [RuntimeNews] = []
        }

        private let state = Mutex(State())

        var tasks: [Task<Void, Never>] { state.withLock { $0.tasks } }
        /// How many of them are over.
        var over: Int { state.withLock { $0.over } }
        var news: [RuntimeNews] { state.withLock { $0.news } }

        func run(_ job: @escaping @Sendable () async -> Void) {
            state.withLock { state in
                state.tasks.append(
                    Task {
                        await job()
                        self.state.withLock { $0.over += 1 }
                    })
            }
        }

        func hear(_ news: RuntimeNews) { state.withLock { $0.news.append(news) } }

        func slot(_ name: SlotName, _ tools: EngineTools) -> EngineSlot {
            EngineSlot(slot: name, tools: tools, news: { self.hear($0) }, spawn: { self.run($0) })
        }

        /// Ends what is left.
        func end() async {
            for task in tasks { task.cancel() }
            for task in tasks { await task.value }
        }
    }

    @Test("one that cannot be started is tried again by one task, however often it is asked for")
    func oneMender() async throws {
        let device = try await DeviceFixture()
        let beside = Beside()
        let slot = beside.slot(device.slot, device.engineTools())
        let record = try SlotFixtures.generation(1, "1.0.0", 1)
        for _ in 0..<3 { await #expect(throws: RuntimeError.self) { try await slot.serve(record, mayRest: false) } }
        #expect(beside.tasks.count == 3)
        try await eventually(within: 30, "two of them are over") { beside.over == 2 }
        // The last goes on until something else shall serve.
        await slot.endAll(forget: true)
        for task in beside.tasks { await task.value }
        #expect(beside.over == 3)
        await device.close()
    }

    @Test("one that becomes ready and ends at once is started with pauses that grow to the longest, and told of once")
    func readyAndGone() async throws {
        let device = try await DeviceFixture()
        let beside = Beside()
        let pauses = Mutex<[Duration]>([])
        var tools = device.engineTools()
        let launcher = ThreadLauncher(.endsOnceReady)
        tools.launcher = launcher
        tools.pause = { pause in
            let isEnough = pauses.withLock { pauses in
                pauses.append(pause)
                return pauses.count > 20
            }
            if isEnough { try await Task.sleep(for: .seconds(3600)) }
        }
        let slot = beside.slot(device.slot, tools)
        // Whether the first is there for long enough to serve is a matter of chance.
        try? await slot.serve(try SlotFixtures.generation(1, "1.0.0", 1), mayRest: false)
        try await eventually(within: 120, "it was started often") { pauses.withLock { $0.count } > 20 }
        let seen = pauses.withLock { $0 }
        #expect(seen == seen.sorted() && seen.first == AgentLimits.firstRestart)
        #expect(seen.suffix(5).allSatisfy { $0 == AgentLimits.longestRestart })
        #expect(launcher.engines.count >= 20)
        let lost = beside.news.map { if case .lost(_, let failure) = $0 { failure.code } else { "" } }
        #expect(lost.filter { !$0.isEmpty } == ["crashLoop"])
        await beside.end()
        await slot.endAll(forget: true)
        await device.close()
    }

    @Test("one that is wanted again while its last answers run cuts these, counts them, and leaves later ones alone")
    func wantedAgain() async throws {
        let device = try await DeviceFixture()
        let beside = Beside()
        // Long enough for the second answer to begin before it is over, if the first engine's drain were still on.
        var tools = device.engineTools(SwapSettings(drainDeadline: .seconds(5)))
        let launcher = ThreadLauncher(.begins)
        tools.launcher = launcher
        let slot = beside.slot(device.slot, tools)
        let gateway = Task { try await device.gateway.run() }
        let port = try await device.gateway.boundPort
        let (old, other) = (try SlotFixtures.generation(1, "1.0.0", 1), try SlotFixtures.generation(2, "2.0.0", 2))
        try await slot.serve(old, mayRest: false)
        let first = Task { await ask(port) }
        try await eventually(within: 60, "the answer has begun") { await streams(device, generation: 1) == 1 }
        try await slot.serve(other, mayRest: false)
        // The last that it has run: what waits for the old engine's answers.
        let retirement = try #require(beside.tasks.last)
        try await slot.serve(old, mayRest: false)
        #expect(await first.value.contains("drain_deadline"))
        let second = Task { await ask(port) }
        try await eventually(within: 60, "the next answer has begun") { await streams(device, generation: 1) == 1 }
        await retirement.value
        #expect(await streams(device, generation: 1) == 1)
        let cut = beside.news.map { if case .drained(let cut) = $0 { cut } else { 0 } }.reduce(0, +)
        #expect(cut == 1)
        // The generation has the engine that was started last.
        #expect(launcher.engines.map(\.isOver) == [true, true, false])
        await slot.endAll(forget: true)
        _ = await second.value
        await beside.end()
        gateway.cancel()
        _ = await gateway.result
        await device.close()
    }

    private func streams(_ device: DeviceFixture, generation: Int) async -> Int {
        await device.gateway.inFlight(device.slot, generation: generation)
    }

    private func ask(_ port: Int) async -> String {
        await TinyHTTPClient.post(
            port: port, path: "/v1/chat/completions",
            body: #"{"model":"triage","stream":true,"messages":[{"role":"user","content":"hello"}]}"#)
    }
}
