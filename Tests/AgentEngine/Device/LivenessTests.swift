import AgentEngine
import Logging
import ServiceLifecycle
import Synchronization
import SystemdNotify
import TestSupport
import Testing

@Suite("Liveness")
struct LivenessTests {
    @Test("the watchdog hears of an agent that works, never of one that is stuck, and the manager of its end")
    func life() async throws {
        let folder = try TemporaryFolder("n")
        let listener = try NotifyListener(folder.file("notify"))
        let notice = ServiceNotice(
            environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "60000"])
        let stuck = Mutex(false)
        let isStuck = Mutex(false)
        let stops = Mutex(0)
        let liveness = Liveness(
            notice: notice, beforeEnd: { stops.withLock { $0 += 1 } },
            isAlive: {
                // Stuck: does not come back by itself.
                while stuck.withLock({ $0 }), !Task.isCancelled {
                    isStuck.withLock { $0 = true }
                    await Task.yield()
                }
                return true
            })
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [.init(service: liveness)], logger: Logger(label: "t")))
        let running = Task { try await group.run() }
        for _ in 0..<3 {
            try await eventually(within: 30, "it is kept alive") { listener.next() == "WATCHDOG=1" }
        }
        stuck.withLock { $0 = true }
        // One beat may be under way until then.
        try await eventually(within: 30, "it is stuck") { isStuck.withLock { $0 } }
        while listener.next() != nil {}
        try await Task.sleep(for: .milliseconds(200))
        #expect(listener.next() == nil)
        await group.triggerGracefulShutdown()
        try await running.value
        #expect(listener.next() == "STOPPING=1")
        #expect(stops.withLock { $0 } == 1)
    }
}
