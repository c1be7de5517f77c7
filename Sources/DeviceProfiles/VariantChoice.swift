package import MartletTypes

/// The choice of a variant for a slot: requirements and budget first, then the profile's preference.
package struct VariantChoice: Sendable, Hashable {
    /// The variant to install; nil where none fits.
    package let chosen: VariantCandidate?
    /// What became of each, in the order they were given.
    package let verdicts: [VariantVerdict]

    /// Chooses among `candidates` what fits on `facts` and comes first in the order of `profile`.
    ///
    /// `freeMemory` is what this slot may take now, the profile's reserve and other slots already taken off
    /// (`DeviceProfile.memoryRoom`); the profile's whole budget is held against it again. `freeDisk` is what may be
    /// written now, budget and reserve already taken off (on a device what its store says, which keeps the profile's
    /// reserve or the owner's; from afar `DeviceProfile.diskRoom`). `engines` are those installed, with the
    /// versions as they state them. `settings` is what the slot asks for; it decides cache and buffers.
    package static func choose(
        _ candidates: [VariantCandidate], facts: HardwareFacts, profile: DeviceProfile, freeMemory: ByteCount,
        freeDisk: ByteCount, engines: [String: String], settings: SlotSettings = SlotSettings()
    ) -> VariantChoice {
        let budget = facts.memory.usableTotal.map { profile.memoryBudget(of: $0) } ?? freeMemory
        let room = (memory: max(.zero, min(freeMemory, budget)), disk: max(.zero, freeDisk))
        var verdicts = candidates.map { candidate in
            let memory = need(candidate, profile, settings)
            let refusals = platform(candidate, facts) + engine(candidate, engines) + sizes(candidate, memory, room)
            return VariantVerdict(
                variant: candidate.name, quantization: candidate.quantization, chosen: false, refusals: refusals,
                memory: memory, reason: refusals.map(\.description).joined(separator: "; "))
        }
        let fitting = candidates.indices.filter { verdicts[$0].fits }
        let best = fitting.min { precedes(candidates[$0], candidates[$1], profile) }
        for index in fitting {
            let preference = profile.rank(of: candidates[index].quantization).map { profile.preferredQuantizations[$0] }
            if index == best {
                verdicts[index].chosen = true
                verdicts[index].reason =
                    preference?.reason ?? "the largest that fits; the profile prefers none that does"
            } else if let best {
                verdicts[index].reason = "fits; \(candidates[best].quantization) is preferred on \(profile.id)"
            }
        }
        return VariantChoice(chosen: best.map { candidates[$0] }, verdicts: verdicts)
    }

    /// The estimate, never under what the publisher states.
    private static func need(
        _ candidate: VariantCandidate, _ profile: DeviceProfile, _ settings: SlotSettings
    ) -> ByteCount {
        guard let shape = candidate.shape else { return candidate.minMemory }
        let load = profile.load(settings: settings, shape: shape)
        let estimate = MemoryEstimate(shape: shape, adapters: candidate.adapters, load: load, rule: profile.engine)
        return max(candidate.minMemory, estimate.total)
    }

    private static func platform(_ candidate: VariantCandidate, _ facts: HardwareFacts) -> [VariantRefusal] {
        let os = named(candidate.os) ?? facts.os
        let architecture = named(candidate.architecture) ?? facts.architecture
        guard os == facts.os, architecture == facts.architecture else {
            return [.wrongPlatform(needs: "\(os)/\(architecture)", has: "\(facts.os)/\(facts.architecture)")]
        }
        let missing = candidate.cpuFeatures.filter { !facts.cpu.features.contains($0) }
        return missing.isEmpty ? [] : [.missingCPUFeatures(missing)]
    }

    /// OCI writes `unknown` for what is no program and runs anywhere.
    private static func named(_ part: String?) -> String? { part == "unknown" ? nil : part }

    private static func engine(_ candidate: VariantCandidate, _ engines: [String: String]) -> [VariantRefusal] {
        let name = candidate.engine.name
        guard let installed = engines[name] else { return [.engineMissing(name: name)] }
        guard let least = candidate.engine.minVersion else { return [] }
        // A version that is none cannot be shown to be new enough.
        guard let version = try? SemanticVersion(installed), version >= least else {
            return [.engineTooOld(name: name, needs: least.text, has: installed)]
        }
        return []
    }

    private static func sizes(
        _ candidate: VariantCandidate, _ memory: ByteCount, _ room: (memory: ByteCount, disk: ByteCount)
    ) -> [VariantRefusal] {
        var refusals: [VariantRefusal] = []
        if memory > room.memory { refusals.append(.notEnoughMemory(needs: memory, has: room.memory)) }
        if candidate.missingBytes > room.disk {
            refusals.append(.notEnoughDisk(needs: candidate.missingBytes, has: room.disk))
        }
        return refusals
    }

    /// The profile's order; then, among what it does not list, the larger file, which keeps more of the model.
    private static func precedes(
        _ left: VariantCandidate, _ right: VariantCandidate, _ profile: DeviceProfile
    ) -> Bool {
        let ranks = (profile.rank(of: left.quantization) ?? .max, profile.rank(of: right.quantization) ?? .max)
        if ranks.0 != ranks.1 { return ranks.0 < ranks.1 }
        if left.fileSize != right.fileSize { return left.fileSize > right.fileSize }
        return left.name < right.name
    }
}

extension DeviceProfile {
    /// What one slot may take of memory now: what is available less the reserve, and the budget less the other slots.
    package func memoryRoom(_ memory: HardwareFacts.Memory, otherSlots: ByteCount = .zero) -> ByteCount {
        let reserve = ByteCount.mebibytes(Int64(self.memory.reserveMiB))
        let available = memory.usableAvailable.map { $0.less(reserve) }
        let budget = memory.usableTotal.map { memoryBudget(of: $0).less(otherSlots) }
        return max(.zero, [available, budget].compactMap { $0 }.min() ?? .zero)
    }

    /// What the store leaves free on a file system of that size: the reserve, and of a small one a quarter.
    package func diskReserve(of total: ByteCount?) -> ByteCount {
        let reserve = ByteCount.mebibytes(Int64(storage.reserveMiB))
        return total.map { min(reserve, ByteCount(max(0, $0.bytes) / 4)) } ?? reserve
    }

    /// What may be written to a file system now: what is free less the reserve.
    package func diskRoom(_ storage: HardwareFacts.Storage) -> ByteCount {
        (storage.free ?? .zero).less(diskReserve(of: storage.total))
    }
}
