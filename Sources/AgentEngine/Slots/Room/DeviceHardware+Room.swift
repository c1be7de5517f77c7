package import AgentStore
internal import DeviceProfiles
package import MartletTypes
internal import ModelRuntime

extension DeviceHardware {
    /// What all engines together may take: the profile's share of this box, within what the owner allows; nil where the
    /// box does not tell its memory.
    package var modelBudget: ByteCount? {
        [facts.memory.usableTotal.map { profile.memoryBudget(of: $0) }, memoryLimit].compactMap(\.self).min()
    }

    /// What one slot may take now: what is available less the reserve, with what others would give back, and the budget
    /// less what others take.
    func memoryRoom(beside taken: ByteCount, freed: ByteCount = .zero) -> ByteCount {
        let reserve = ByteCount.mebibytes(Int64(profile.memory.reserveMiB))
        let available = probe.memory().usableAvailable.map { $0 - reserve + freed }
        return max(.zero, [available, modelBudget.map { $0 - taken }].compactMap(\.self).min() ?? .zero)
    }

    /// What the engine of a generation is expected to take. Weights that are mapped are named by their files, so that
    /// engines of one base count them once; adapters are read by each.
    package func need(of record: GenerationRecord) -> EngineNeed {
        // Its file is no engine's to map.
        guard record.slot != SlotName.agent else { return EngineNeed() }
        let total = memory(of: record)
        guard loading.isMapped == true else { return EngineNeed(own: total) }
        var mapped: [Digest: ByteCount] = [:]
        for file in record.files where file.role != .adapter { mapped[file.digest] = file.size }
        let weights = mapped.values.reduce(ByteCount.zero) { $0 + $1 }
        return EngineNeed(own: max(.zero, total - weights), mapped: mapped)
    }
}
