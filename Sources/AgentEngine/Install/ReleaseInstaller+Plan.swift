package import AgentStore
internal import BundleFormat
internal import DeviceProfiles
internal import MartletTypes
internal import ModelRuntime
internal import RegistryClient
internal import Trust

extension ReleaseInstaller {
    package func plan(_ target: SlotTarget, record: SlotRecord) async throws -> InstallPlan {
        try permit(target, in: record.slot)
        let had = Set(record.kept.flatMap(\.releases))
        for release in target.assignment.releases {
            try await trust.check(release, isBefore: had.contains(release))
        }
        var indexes: [ReleaseIndex] = []
        for release in target.assignment.releases { indexes.append(try await index(of: release)) }
        try checkKinds(indexes, target, record.slot)
        if let index = indexes.first, index.kind == .agent { return try await planAgent(index, target, record) }
        let engine = try await engine(in: indexes, target)
        // What the slot runs, without the engine that it is to run by.
        let models = indexes.filter { $0.kind != .engine }
        var inner = target
        inner.assignment.releases = zip(indexes, target.assignment.releases).filter { $0.0.kind != .engine }.map {
            $0.1
        }
        let variants = try await choose(models, inner, record, engine)
        let signatures = try await signatures(of: variants, models, record)
        let items = items(of: variants) + [engine].compactMap { $0.map { item(of: $0) } }
        let contents = variants.map(\.entry.descriptor.digest) + [engine].compactMap { $0?.entry.descriptor.digest }
        let isInstalled = record.kept.contains { known in
            known.releases == target.assignment.releases && known.variants == contents
                && items.allSatisfy { $0.source == .present }
        }
        let plan = InstallPlan(
            slot: record.slot, target: target, variants: variants, items: items, isInstalled: isInstalled,
            signatures: signatures, engine: engine)
        try await makeRoom(for: plan)
        return plan
    }

    /// The device's own word: whether its agent keeps running, its clock, the assignment's end, its owner's policy.
    private func permit(_ target: SlotTarget, in slot: SlotName) throws {
        if slot != SlotName.agent, let caution = caution() {
            throw SlotFailure(.retry, code: SlotFailure.restarts, message: caution)
        }
        if let distrust = clock.distrust {
            throw SlotFailure(
                .retry, code: SlotFailure.clock, message: "\(distrust) Nothing is installed until the clock is right.")
        }
        guard target.expires > clock.now else {
            throw SlotFailure(
                .transport, code: SlotFailure.overdue,
                message: "Assignment \(target.number) expired at \(target.expires); a newer one is awaited.")
        }
        if let refusal = policy.refusal(of: target.assignment, in: slot) {
            throw SlotFailure(
                .final, code: "policyRefused", message: "This device's own policy refuses the assignment: \(refusal).")
        }
    }

    private func checkKinds(_ indexes: [ReleaseIndex], _ target: SlotTarget, _ slot: SlotName) throws {
        for (index, release) in zip(indexes, target.assignment.releases) where index.version != release.path.version {
            throw SlotFailure(
                .final, code: "targetMismatch",
                message: "The release at \(release.path.reference) calls itself version \(index.version).")
        }
        for (index, release) in zip(indexes, target.assignment.releases) {
            guard let refusal = policy.refusal(of: index.kind, release.path.repository, in: slot) else { continue }
            throw SlotFailure(
                .final, code: "policyRefused", message: "This device's own policy refuses the assignment: \(refusal).")
        }
        // The agent stands in a slot of its own, and nothing else there.
        let isAgent = Set(indexes.map(\.kind)) == [.agent] && indexes.count == 1
        guard isAgent == (slot == SlotName.agent) else {
            throw SlotFailure(
                .final, code: "unsupportedKind",
                message: "Slot \(MartletVersion.agentSlot) runs one agent, and no other slot does.")
        }
        guard !isAgent else { return }
        let models = indexes.filter { $0.kind != .engine }
        let kinds = Set(models.map(\.kind))
        guard indexes.count - models.count <= 1, kinds == [.adapter] || (kinds == [.model] && models.count == 1) else {
            let found = Set(indexes.map(\.kind.rawValue)).sorted().joined(separator: " and ")
            throw SlotFailure(
                .final, code: "unsupportedKind",
                message: "A slot runs one model, or adapters of one base, and one engine at most; assigned is "
                    + "\(indexes.count) of kind \(found).")
        }
        guard Set(models.map(\.base)).count == 1 else {
            throw SlotFailure(
                .final, code: "baseMismatch", message: "The assigned adapters are not made for one and the same base.")
        }
    }

    /// The first variant, in the profile's order, that fits here and whose base all other releases share.
    private func choose(
        _ indexes: [ReleaseIndex], _ target: SlotTarget, _ record: SlotRecord, _ engine: EngineChoice?
    ) async throws -> [InstallPlan.Variant] {
        guard let index = indexes.first, let release = target.assignment.releases.first else { return [] }
        let settings = target.assignment.settings
        let choice = try await survey(indexes, settings: settings, record: record, build: engine?.build).choice
        guard let chosen = choice.chosen,
            let entry = index.variants.first(where: { $0.descriptor.digest.text == chosen.name })
        else {
            throw Self.noVariant(choice, release)
        }
        try checkFormat(of: entry, release)
        try engine?.check(serves: entry.engine, release)
        let first = InstallPlan.Variant(
            path: release.path, entry: entry, manifest: try await manifest(of: entry, in: release.path.repository),
            index: release.indexDigest)
        var variants = [first]
        for (index, release) in zip(indexes, target.assignment.releases).dropFirst() {
            variants.append(try await match(index, release, to: first))
        }
        return variants
    }

    /// A file that its engine does not take is refused before a byte of it is fetched.
    private func checkFormat(of entry: VariantEntry, _ release: AssignedRelease) throws {
        let format = entry.shape?.format ?? ModelShape.ggufFormat
        guard !hardware.traits(entry.engine.name).formats.contains(format) else { return }
        throw SlotFailure(
            .skipped, code: "formatNotTaken",
            message: "\(release.path.reference) is of the format \(format), which the engine \(entry.engine.name) of "
                + "this device does not take.")
    }

    /// Every variant with the requirements that it fails; a missing engine has its own code and remedy, as a person can
    /// mend it.
    private static func noVariant(_ choice: VariantChoice, _ release: AssignedRelease) -> SlotFailure {
        let reasons = choice.verdicts.map { "\($0.quantization): \($0.reason)" }.joined(separator: " | ")
        let refusals = choice.verdicts.flatMap(\.refusals)
        let lacksEngine = choice.verdicts.allSatisfy { $0.refusals.contains { $0.code == "engineMissing" } }
        let lacksDisk = refusals.allSatisfy { $0.code == "notEnoughDisk" }
        if lacksEngine {
            return SlotFailure(
                .retry, code: "engineMissing",
                message: "\(release.path.reference): \(reasons). Install llama-server and name it in the agent's "
                    + "configuration or in $MARTLET_LLAMA_SERVER, or declare the engine in the configuration "
                    + "(engines); it is looked for again by itself.")
        }
        return SlotFailure(
            lacksDisk ? .retry : .skipped, code: lacksDisk ? "diskFull" : "noVariantFits",
            message: "No variant of \(release.path.reference) fits this device: \(reasons).")
    }

    /// A further adapter's variant that is made for the base files of the first.
    private func match(
        _ index: ReleaseIndex, _ release: AssignedRelease, to first: InstallPlan.Variant
    ) async throws -> InstallPlan.Variant {
        let base = first.manifest.weights.filter { $0.role == .base }.map(\.descriptor.digest)
        for entry in index.variants where entry.quantization == first.entry.quantization {
            let manifest = try await manifest(of: entry, in: release.path.repository)
            if manifest.weights.filter({ $0.role == .base }).map(\.descriptor.digest) == base {
                return InstallPlan.Variant(
                    path: release.path, entry: entry, manifest: manifest, index: release.indexDigest)
            }
        }
        throw SlotFailure(
            .skipped, code: "noVariantFits",
            message: "No variant of \(release.path.reference) is made for the base files of \(first.path.reference).")
    }

    private func items(of variants: [InstallPlan.Variant]) -> [InstallPlan.Item] {
        var seen: Set<Digest> = []
        var items: [InstallPlan.Item] = []
        for variant in variants {
            let manifest = variant.manifest
            // The card and the licence are for people; a device serves without them.
            let side = [manifest.evaluation, manifest.probes, manifest.chatTemplate].compactMap(\.self)
            for descriptor in side + manifest.weights.map(\.descriptor)
            where seen.insert(descriptor.digest).inserted {
                let isPresent = store.blobs.has(descriptor.digest, size: descriptor.size)
                items.append(
                    InstallPlan.Item(
                        digest: descriptor.digest, size: descriptor.size, repository: variant.path.repository,
                        source: isPresent ? .present : .full, of: variant.path.reference))
            }
        }
        return items
    }
}
