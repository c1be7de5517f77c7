import AgentEngine
import Foundation
import Glibc
import Logging
import MartletAPI
import MartletTypes
import ModelRuntime
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import Trust

@testable import AgentStore

extension Journal {
    /// Whether writes succeed; else each is refused, as by a disk that the kernel has mounted read-only.
    func takeWrites(_ takes: Bool) throws { try database.run("PRAGMA query_only = \(takes ? 0 : 1)") }
}

@Suite("A device whose journal takes no writes", .serialized)
struct JournalFaultTests {
    private typealias Scene = SharedMemoryScene

    @Test("watches its engines, however often they end, lets slots rest and wakes them, and tells of it later")
    func watched() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await Scene.run(device, budget: nil) { scene in
            try await scene.apply(
                1,
                [
                    "eager": Scene.wanted(release, generation: 1, SlotResidency(start: .always)),
                    "lazy": Scene.wanted(release, generation: 1, SlotResidency(idleSeconds: 2)),
                ])
            try await device.store.journal.takeWrites(false)
            for _ in 0..<3 { try await killAndWait("eager", scene) }
            try await killAndWait("lazy", scene)
            try await scene.until("lazy rests", within: 60) {
                if case .idle = await scene.activity("lazy")?.rest { return true }
                return false
            }
            let reply = await scene.ask("lazy")
            #expect(reply.hasPrefix("HTTP/1.1 200"), "\(reply)")
            #expect(try await device.reports().allSatisfy { $0.code != "engineRestarted" })
            try await device.store.journal.takeWrites(true)
            try await scene.until("it tells", within: 60) {
                let told = try await device.reports().filter { $0.code == "engineRestarted" }
                return told.count { $0.slot?.text == "eager" } == 3
            }
        }
        await device.close()
    }

    @Test("stops when it is told to, in the middle of a step that cannot be written")
    func stopped() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let agent = device.agent()
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [.init(service: agent)], logger: Logger(label: "t")))
        let isOver = Mutex(false)
        let running = Task {
            try await group.run()
            isOver.withLock { $0 = true }
        }
        try await device.store.journal.takeWrites(false)
        await agent.apply(device.assignment(number: 1, release))
        try await eventually(within: 60, "a write failed") { device.store.health.trouble != nil }
        await group.triggerGracefulShutdown()
        try await eventually(within: 60, "it has stopped") { isOver.withLock { $0 } }
        running.cancel()
        try await running.value
        // What was not written was not done either.
        #expect(try await device.record() == nil)
        #expect(device.registry.seen.isEmpty)
        await device.close()
    }

    /// Kills a slot's engine and waits until another answers in its place.
    private func killAndWait(_ slot: String, _ scene: SharedMemoryScene) async throws {
        let reply = await scene.ask(slot)
        #expect(reply.hasPrefix("HTTP/1.1 200"), "\(slot): \(reply)")
        let before = Set(try scene.engines(slot))
        for pid in before { kill(pid, SIGKILL) }
        try await scene.until("\(slot) has another engine", within: 60) {
            let now = Set(try scene.engines(slot))
            return !now.isEmpty && now.isDisjoint(with: before)
        }
    }
}
