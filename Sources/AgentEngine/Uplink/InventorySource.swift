package import AgentStore
internal import DeviceProfiles
package import MartletAPI
internal import MartletTypes
internal import Trust

/// What the device is and has at the moment, from its files and its slots.
package struct InventorySource: Sendable {
    private let store: AgentStore
    private let hardware: DeviceHardware
    private let snapshots: @Sendable () async -> [SlotSnapshot]
    private let problems: DeviceProblems?
    private let memoryRooms: @Sendable (SlotRecord) async throws -> MemoryRooms?

    /// `snapshots` are the slots as they are now, `memoryRooms` what a generation of a slot may take.
    package init(
        store: AgentStore, hardware: DeviceHardware, problems: DeviceProblems? = nil,
        memoryRooms: @escaping @Sendable (SlotRecord) async throws -> MemoryRooms? = { _ in nil },
        snapshots: @escaping @Sendable () async -> [SlotSnapshot]
    ) {
        self.problems = problems
        self.memoryRooms = memoryRooms
        self.store = store
        self.hardware = hardware
        self.snapshots = snapshots
    }

    package func inventory() async throws -> Inventory {
        var slots: [SlotName: SlotInventory] = [:]
        for snapshot in await snapshots() {
            var slot = SlotInventory(snapshot.record, serving: snapshot.serving)
            let rooms = await rooms(for: snapshot.record)
            (slot.memoryRoom, slot.memoryRoomAlone) = (rooms?.beside, rooms?.alone)
            slot.settings = snapshot.record.target?.assignment.settings ?? snapshot.record.current?.settings
            slots[snapshot.record.slot] = slot
        }
        let problems = await problems?.all() ?? []
        var inventory = Inventory(
            agentVersion: MartletVersion.stamped, engines: await hardware.engines(false), profile: hardware.profile.id,
            facts: hardware.probe.facts(), storeBytes: await store.blobs.knownUsage(), slots: slots,
            problems: problems.isEmpty ? nil : problems)
        let rooms = await rooms(for: SlotRecord(slot: try SlotName("new")))
        (inventory.memoryRoom, inventory.memoryRoomAlone) = (rooms?.beside, rooms?.alone)
        inventory.diskRoom = await diskRoom()
        return inventory
    }

    /// Nil too where it cannot be found out: the rest is worth telling without it, and problems most of all.
    private func rooms(for record: SlotRecord) async -> MemoryRooms? {
        do { return try await memoryRooms(record) } catch { return nil }
    }

    private func diskRoom() async -> ByteCount? {
        do { return try await store.blobs.room() } catch { return nil }
    }
}

extension BlobStore {
    /// What the store takes; nil where the disk does not tell, which keeps nothing else from being told.
    func knownUsage() -> ByteCount? {
        do { return try usage() } catch { return nil }
    }
}

extension SlotInventory {
    /// A slot as its record and the generation that serves (nil for none) show it.
    package init(_ record: SlotRecord, serving: GenerationID?) {
        let shown = record.generation(serving) ?? record.current
        // While a candidate proves itself, going back brings what is committed.
        // (The same releases put anew are no step to go back from.)
        let isCandidate =
            shown != nil && shown?.id == record.candidate?.id && shown?.id != record.current?.id
            && (shown?.releases != record.current?.releases || shown?.settings != record.current?.settings)
        let previous = isCandidate ? record.current : record.previous
        let weights = shown?.files.first { $0.role == .adapter } ?? shown?.files.first { $0.role == .weights }
        self.init(
            current: shown?.paths ?? [], previous: previous?.paths ?? [], weights: weights?.digest,
            variant: shown?.variants.first, generation: shown?.assigned ?? 0, serving: serving != nil,
            override: record.override.map { "\($0.code): \($0.message)" })
    }
}
