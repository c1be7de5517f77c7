internal import AgentStore
internal import DeviceProfiles
package import MartletTypes
internal import ModelRuntime
internal import Trust

/// What a slot may take of memory.
package struct MemoryRooms: Sendable, Hashable {
    /// Beside all other slots, which is preferred.
    package var beside: ByteCount
    /// Beside those alone that always run, where the others make room while it is asked.
    package var alone: ByteCount
}

extension ReleaseInstaller {
    /// What a generation of a slot may take of memory, for the inventory: what its choice goes by here. What the slot
    /// runs itself makes room.
    func memoryRooms(_ record: SlotRecord) async throws -> MemoryRooms {
        try await memoryRooms(record.target?.assignment.settings ?? record.current?.settings ?? SlotSettings(), record)
    }

    func memoryRooms(_ settings: SlotSettings, _ record: SlotRecord) async throws -> MemoryRooms {
        // What runs now makes room: in replace mode it goes first.
        let running = record.current.map { hardware.memory(of: $0) } ?? .zero
        let others = try await store.journal.slots().filter { $0.slot != record.slot }.compactMap(\.current)
        let kept = others.filter { SlotStanding($0.settings.residency).isPinned }
        let freed = await reclaimable(record.slot)
        let limit = settings.residency?.memoryMiB.map { ByteCount.mebibytes(Int64($0)) }
        func room(_ others: [GenerationRecord], freed: ByteCount) -> ByteCount {
            let taken = EngineNeed.together(others.map { hardware.need(of: $0) })
            let room = hardware.memoryRoom(beside: taken, freed: freed) + running
            return [room, hardware.modelBudget, limit].compactMap(\.self).min() ?? room
        }
        return MemoryRooms(beside: room(others, freed: .zero), alone: room(kept, freed: freed))
    }
}
