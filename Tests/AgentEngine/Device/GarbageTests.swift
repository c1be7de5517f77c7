import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing
import Trust

/// An installer whose plans are made only once a test lets them, and then fail.
private final class HeldInstaller: Installer {
    private let isHeld = Mutex(true)
    let plans = Mutex(0)

    func letGo() { isHeld.withLock { $0 = false } }

    func plan(_ target: SlotTarget, record: SlotRecord) async throws -> InstallPlan {
        plans.withLock { $0 += 1 }
        while isHeld.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
        throw Self.failure
    }

    func fetch(_ plan: InstallPlan) async throws -> ByteCount { throw Self.failure }
    func verify(_ plan: InstallPlan) async throws { throw Self.failure }
    func check(_ plan: InstallPlan) async throws { throw Self.failure }
    func stage(_ plan: InstallPlan) async throws -> (record: GenerationRecord, owesEvaluation: Bool) {
        throw Self.failure
    }

    private static let failure = SlotFailure(.retry, code: "diskFull", message: "There is no room.")
}

@Suite("Garbage of a device")
struct GarbageTests {
    @Test("is collected too where it was told of while another slot made a plan")
    func whilePlanning() async throws {
        let device = try await DeviceFixture()
        let installer = HeldInstaller()
        let agent = DeviceAgent(
            tools: SlotTools(
                store: device.store, installer: installer, engines: device.engineTools(), clock: device.clock,
                logger: .silent),
            garbagePause: .milliseconds(10))
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await running(agent) {
            let wanted = device.target(release).assignment
            let both = [device.slot: wanted, try SlotName("other"): wanted]
            await agent.apply(device.assignment(number: 1, slots: both))
            try await eventually(within: 60, "plans are made") { installer.plans.withLock { $0 } == 2 }
            let stray: [UInt8] = [1, 2, 3]
            try await device.store.blobs.put(stray, as: .of(stray))
            // The other slot goes, and tells that something may not be needed any more.
            await agent.apply(device.assignment(number: 2, slots: [device.slot: wanted]))
            try await eventually(within: 60, "the other slot is gone") {
                await agent.snapshots().map(\.record.slot) == [device.slot]
            }
            #expect(device.store.blobs.has(.of(stray)))
            installer.letGo()
            try await eventually(within: 60, "it is collected") { !device.store.blobs.has(.of(stray)) }
        }
        await device.close()
    }
}
