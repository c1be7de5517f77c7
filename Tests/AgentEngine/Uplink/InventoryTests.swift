import AgentStore
import DeviceProfiles
import MartletAPI
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

@Suite("What a device says it runs")
struct InventoryTests {
    private func record(_ change: (inout SlotRecord) throws -> Void) throws -> SlotRecord {
        var record = SlotRecord(slot: try SlotFixtures.slot())
        record.current = try SlotFixtures.generation(2, "2.0.0", 7)
        record.previous = try SlotFixtures.generation(1, "1.0.0", 5)
        try change(&record)
        return record
    }

    @Test("what serves, what going back brings, and what stands against the assignment")
    func slots() throws {
        let committed = SlotInventory(try record { _ in }, serving: GenerationID(2))
        #expect(committed.current.map(\.reference) == ["clinic/triage:2.0.0"])
        #expect(committed.previous.map(\.reference) == ["clinic/triage:1.0.0"])
        #expect(committed.generation == 7)
        #expect(committed.serving)
        let down = SlotInventory(try record { _ in }, serving: nil)
        #expect(down.current == committed.current)
        #expect(!down.serving)
        let soaking = SlotInventory(
            try record { $0.candidate = try SlotFixtures.generation(3, "3.0.0", 9) }, serving: GenerationID(3))
        #expect(soaking.current.map(\.reference) == ["clinic/triage:3.0.0"])
        #expect(soaking.previous.map(\.reference) == ["clinic/triage:2.0.0"])
        #expect(soaking.generation == 9)
        let overridden = SlotInventory(
            try record {
                $0.override = SlotOverride(
                    generation: 9, code: "evaluationFailed", message: "Too low.", time: SlotFixtures.start)
            }, serving: GenerationID(2))
        #expect(overridden.override == "evaluationFailed: Too low.")
        let empty = SlotInventory(SlotRecord(slot: try SlotFixtures.slot()), serving: nil)
        #expect(empty.current.isEmpty && empty.previous.isEmpty && empty.generation == 0)
    }

    @Test("it is said at start and at each ring, and again until it is heard")
    func sender() async throws {
        let device = try await DeviceFolder()
        let peer = FakeUplink()
        await peer.set(fates: [.unreachable])
        let hardware = try DeviceHardware.read(probe: HardwareProbe(), engines: { _ in ["llama.cpp": "0.7.0"] })
        let source = InventorySource(store: device.store, hardware: hardware) { [] }
        let sender = InventorySender(peer: peer, random: { 0 }, logger: AgentLog.silent) {
            try await source.inventory()
        }
        let running = Task { try await sender.run() }
        try await eventually(within: 20, "the first arrives") { await peer.inventories == 1 }
        sender.wake.ring()
        try await eventually(within: 20, "the second arrives") { await peer.inventories == 2 }
        running.cancel()
        try await running.value
    }
}
