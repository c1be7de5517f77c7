internal import AgentStore
internal import DeviceProfiles
internal import MartletTypes

extension ReleaseInstaller {
    /// What a generation of a slot may take of memory beside what the other slots run, for the inventory; what the slot
    /// runs itself makes room. Nil where the journal cannot be read.
    func memoryRoom(_ record: SlotRecord) async -> ByteCount? {
        guard let slots = try? await store.journal.slots() else { return nil }
        let others = slots.filter { $0.slot != record.slot }.compactMap(\.current)
        let taken = others.reduce(ByteCount.zero) { $0 + hardware.memory(of: $1) }
        let running = record.current.map { hardware.memory(of: $0) } ?? .zero
        let room = hardware.profile.memoryRoom(hardware.probe.memory(), otherSlots: taken) + running
        let budget = hardware.facts.memory.usableTotal.map { hardware.profile.memoryBudget(of: $0) } ?? room
        return max(.zero, min(room, budget))
    }
}
