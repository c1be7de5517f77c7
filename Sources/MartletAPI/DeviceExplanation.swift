package import DeviceProfiles
package import MartletTypes

/// Which variant of a release a device would run, by what it last reported of itself, and why not the others.
///
/// Made from values alone: the CLI and the registry come to the choice that the device would make.
package struct DeviceExplanation: Sendable, Hashable, Codable {
    package var device: DeviceID
    package var release: ReleasePath
    /// The profile that the device goes by.
    package var profile: String
    /// What that prefers, best first.
    package var preferences: [String]
    /// The slot by whose settings and neighbours it was judged; nil for a slot of its own.
    package var slot: SlotName?
    /// What a variant may take of memory and of disk.
    package var memoryRoom: ByteCount
    package var diskRoom: ByteCount
    /// When the device was heard last: what it reported may be as old.
    package var lastSeen: Timestamp?
    package var variants: [VariantStanding]
    /// How many variants the release has besides those that are listed.
    package var omitted: Int

    /// The variant that would be installed; nil where none fits.
    package var chosen: VariantStanding? { variants.first { $0.verdict == "chosen" } }
}

extension DeviceExplanation {
    /// Weighs the candidates of a release as the device would. `profile` must be the one that the inventory names.
    ///
    /// Blobs that the device holds of a variant are known here only for what its slots run: of everything else all
    /// bytes count as missing. An agent that reports no room of its own is judged by its free memory and disk.
    package init(
        device: DeviceID, release: ReleasePath, candidates: [VariantCandidate], inventory: Inventory,
        profile: DeviceProfile, slot: SlotName?, lastSeen: Timestamp? = nil
    ) {
        let slotInventory = slot.flatMap { inventory.slots[$0] }
        let running = Set(inventory.slots.values.compactMap { $0.variant?.text })
        let rooms =
            slotInventory.map { ($0.memoryRoom, $0.memoryRoomAlone) }
            ?? (inventory.memoryRoom, inventory.memoryRoomAlone)
        var memory = rooms.0 ?? inventory.memoryRoom ?? profile.memoryRoom(inventory.facts.memory)
        let disk =
            inventory.diskRoom ?? inventory.facts.storage.first.map { profile.diskRoom($0) } ?? .zero
        let known = candidates.map { candidate in
            var candidate = candidate
            if running.contains(candidate.name) { candidate.missingBytes = .zero }
            return candidate
        }
        func choose(_ memory: ByteCount) -> VariantChoice {
            VariantChoice.choose(
                known, facts: inventory.facts, profile: profile, freeMemory: max(.zero, memory),
                freeDisk: max(.zero, disk), engines: inventory.engines,
                settings: slotInventory?.settings ?? SlotSettings())
        }
        var choice = choose(memory)
        // Where nothing fits beside the other slots, the device lets them make room.
        if choice.chosen == nil, let alone = rooms.1, alone > memory {
            memory = alone
            choice = choose(alone)
        }
        let variants = zip(known, choice.verdicts).prefix(VariantStanding.mostShown).map { candidate, verdict in
            VariantStanding(
                verdict, fileSize: candidate.fileSize, runs: running.contains(candidate.name), profile: profile)
        }
        self.init(
            device: device, release: release, profile: profile.id,
            preferences: profile.preferredQuantizations.map(\.name), slot: slotInventory == nil ? nil : slot,
            memoryRoom: max(.zero, memory), diskRoom: max(.zero, disk), lastSeen: lastSeen, variants: variants,
            omitted: known.count - variants.count)
    }
}

extension DeviceInfo {
    /// The slot in which a release of this repository runs, or shall; nil where there is none.
    package func slot(of repository: RepositoryName) -> SlotName? {
        slots.sorted { $0.key < $1.key }.first { _, slot in
            (slot.desired + slot.current + slot.previous).contains { $0.repository == repository }
        }?.key
    }
}
