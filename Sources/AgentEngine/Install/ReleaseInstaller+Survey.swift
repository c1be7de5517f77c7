internal import AgentStore
internal import BundleFormat
internal import DeviceProfiles
internal import MartletTypes
internal import ModelRuntime
internal import RegistryClient
internal import Trust

/// The choice among a release's variants, with the room that it was made by.
struct VariantSurvey {
    var choice: VariantChoice
    /// What this slot may take of memory: what runs in it now makes room.
    var memoryRoom: ByteCount
    /// What may be brought to the disk.
    var diskRoom: ByteCount
}

extension ReleaseInstaller {
    /// Weighs the variants of the first release against this device, beside the others of the slot.
    func survey(
        _ indexes: [ReleaseIndex], settings: SlotSettings, record: SlotRecord, anew: Bool = true
    ) async throws -> VariantSurvey {
        // What runs now makes room: in replace mode it goes first.
        let running = record.current.map { hardware.memory(of: $0) } ?? .zero
        let others = try await store.journal.slots().filter { $0.slot != record.slot }.compactMap(\.current)
        let taken = others.reduce(ByteCount.zero) { $0 + hardware.memory(of: $1) }
        let memory = hardware.profile.memoryRoom(hardware.probe.memory(), otherSlots: taken) + running
        let disk = try await store.blobs.room()
        let candidates = (indexes.first?.variants ?? []).map { entry in
            candidate(entry, others: indexes.dropFirst())
        }
        let choice = VariantChoice.choose(
            candidates, facts: hardware.facts, profile: hardware.profile, freeMemory: memory, freeDisk: disk,
            engines: await hardware.engines(anew), settings: settings)
        let budget = hardware.facts.memory.usableTotal.map { hardware.profile.memoryBudget(of: $0) } ?? memory
        return VariantSurvey(choice: choice, memoryRoom: max(.zero, min(memory, budget)), diskRoom: disk)
    }

    private func candidate(_ entry: VariantEntry, others: ArraySlice<ReleaseIndex>) -> VariantCandidate {
        let isHere = store.blobs.has(entry.descriptor.digest)
        // An engine that the owner declared takes what its owner says, beside the files.
        let own = hardware.traits(entry.engine.name).memory.map { $0 + entry.fileSize } ?? .zero
        return VariantCandidate(
            name: entry.descriptor.digest.text, os: entry.platform.os, architecture: entry.platform.architecture,
            quantization: entry.quantization, fileSize: entry.fileSize, missingBytes: isHere ? .zero : entry.fileSize,
            minMemory: max(entry.minMemory, own), cpuFeatures: entry.cpuFeatures, engine: entry.engine,
            shape: entry.shape,
            adapters: [entry.adapterShape].compactMap(\.self) + others.compactMap { $0.variants.first?.adapterShape })
    }

    /// Reads a release's index to look at it: from the store, else from the registry, and keeps nothing.
    func look(at release: AssignedRelease) async throws -> (index: ReleaseIndex, isHere: Bool) {
        let kept = try await store.blobs.document(release.indexDigest, limit: Limits.manifestBytes)
        let bytes: [UInt8]
        if let kept {
            bytes = kept
        } else {
            bytes = try await link.content().manifest(release.indexDigest, in: release.path.repository)
        }
        return (
            try ReleaseIndex(parsing: bytes, digest: release.indexDigest, length: ByteCount(release.length)),
            kept != nil
        )
    }
}
