import AgentEngine
import AgentStore
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing

@Suite("The engines of a slot")
struct EngineSlotTests {
    /// What the slot has run beside it.
    private struct Job: Sendable {
        let run: @Sendable () async -> Void
    }

    private final class Count: Sendable {
        private let value = Mutex(0)
        var now: Int { value.withLock { $0 } }
        func up() { value.withLock { $0 += 1 } }
    }

    @Test("one that cannot be started is tried again by one task, however often it is asked for")
    func oneMender() async throws {
        let device = try await DeviceFixture()
        let jobs = Mutex<[Job]>([])
        let slot = EngineSlot(slot: device.slot, tools: device.engineTools(), news: { _ in }) { job in
            jobs.withLock { $0.append(Job(run: job)) }
        }
        let record = try SlotFixtures.generation(1, "1.0.0", 1)
        for _ in 0..<3 { await #expect(throws: RuntimeError.self) { try await slot.serve(record, mayRest: false) } }
        let spawned = jobs.withLock { $0 }
        #expect(spawned.count == 3)
        let over = Count()
        var tasks: [Task<Void, Never>] = []
        for job in spawned {
            tasks.append(
                Task {
                    await job.run()
                    over.up()
                })
        }
        try await eventually(within: 30, "two of them are over") { over.now == 2 }
        // The last goes on until something else shall serve.
        await slot.endAll(forget: true)
        for task in tasks { await task.value }
        #expect(over.now == 3)
        await device.close()
    }
}
