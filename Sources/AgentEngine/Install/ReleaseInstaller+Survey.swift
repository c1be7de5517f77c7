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
        _ indexes: [ReleaseIndex], settings: SlotSettings, record: SlotRecord, anew: Bool = true,
        build: EngineBuild? = nil
    ) async throws -> VariantSurvey {
        let disk = try await store.blobs.room()
        var candidates: [VariantCandidate] = []
        for entry in indexes.first?.variants ?? [] {
            candidates.append(candidate(entry, others: indexes.dropFirst(), missing: try await missing(entry)))
        }
        var engines = await hardware.engines(anew)
        // What comes with the model counts as installed.
        if let build { engines[build.name] = build.version.text }
        func survey(_ memory: ByteCount) -> VariantSurvey {
            let choice = VariantChoice.choose(
                candidates, facts: hardware.facts, profile: hardware.profile, freeMemory: memory, freeDisk: disk,
                engines: engines, settings: settings)
            return VariantSurvey(choice: choice, memoryRoom: memory, diskRoom: disk)
        }
        let rooms = try await memoryRooms(settings, record)
        let beside = survey(rooms.beside)
        guard beside.choice.chosen == nil, rooms.alone > rooms.beside else { return beside }
        return survey(rooms.alone)
    }

    /// What a variant's files would still take of the disk: what is there of them, finished or not, is taken already.
    private func missing(_ entry: VariantEntry) async throws -> ByteCount {
        guard let bytes = try await store.blobs.document(entry.descriptor.digest, limit: Limits.manifestBytes) else {
            return entry.fileSize
        }
        let manifest = try VariantManifest(parsing: bytes, matching: entry.descriptor)
        return manifest.weights.map(\.descriptor).reduce(.zero) { sum, file in
            guard !store.blobs.has(file.digest, size: file.size) else { return sum }
            return sum + max(.zero, file.size - store.blobs.partialSize(file.digest))
        }
    }

    private func candidate(
        _ entry: VariantEntry, others: ArraySlice<ReleaseIndex>, missing: ByteCount
    ) -> VariantCandidate {
        // An engine that the owner declared takes what its owner says, beside the files.
        let own = hardware.traits(entry.engine.name).memory.map { $0 + entry.fileSize } ?? .zero
        return VariantCandidate(
            name: entry.descriptor.digest.text, os: entry.platform.os, architecture: entry.platform.architecture,
            quantization: entry.quantization, fileSize: entry.fileSize, missingBytes: missing,
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
