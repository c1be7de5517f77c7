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

    @Test("what cannot be found out about the room keeps nothing else back, problems least of all")
    func withoutRoom() async throws {
        let device = try await DeviceFixture()
        let problems = DeviceProblems(journal: device.store.journal, clock: device.clock, logger: AgentLog.silent)
        await problems.note(
            (code: "storeFailing", message: "The disk does not answer.", remedy: ""), about: .metadata,
            ended: (code: "storeWritable", message: ""))
        let record = try record { _ in }
        let snapshot = SlotSnapshot(record: record, serving: record.current?.id)
        let source = InventorySource(
            store: device.store, hardware: device.hardware, problems: problems,
            memoryRooms: { _ in throw AgentStoreError(.storageFailed, "The journal is not given back.") },
            snapshots: { [snapshot] })
        let inventory = try await source.inventory()
        #expect(inventory.problems?.map(\.code) == ["storeFailing"])
        #expect(inventory.memoryRoom == nil && inventory.memoryRoomAlone == nil && inventory.diskRoom != nil)
        let slot = try #require(inventory.slots[record.slot])
        #expect(slot.serving && slot.memoryRoom == nil && slot.memoryRoomAlone == nil)
        await device.close()
    }

    @Test("a store that cannot be read keeps nothing else back")
    func unreadableStore() async throws {
        let folder = try TemporaryFolder("inventory")
        let files = WatchedFiles()
        let store = try await AgentStore.open(root: folder.path, files: files)
        let hardware = try DeviceHardware.read(probe: HardwareProbe(), engines: { _ in ["llama.cpp": "0.7.0"] })
        let source = InventorySource(store: store, hardware: hardware) { [] }
        #expect(try await source.inventory().storeBytes == .zero)
        files.hold(folder.path + "/blobs/sha256")
        let inventory = try await source.inventory()
        #expect(inventory.storeBytes == nil && inventory.engines == ["llama.cpp": "0.7.0"])
        await store.close()
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
