package import AgentStore
internal import BundleFormat
package import MartletTypes
internal import RegistryClient
package import Trust

/// Steps of an installation, as the slot's driver asks for them. Failures are `SlotFailure` or `CancellationError`.
package protocol Installer: Sendable {
    /// Checks the chain of trust and the device's policy, chooses the variant, lists what is missing, checks the disk.
    func plan(_ target: SlotTarget, record: SlotRecord) async throws -> InstallPlan
    /// Brings what is missing; returns the bytes that came over the network.
    func fetch(_ plan: InstallPlan) async throws -> ByteCount
    /// Makes sure that every blob of the plan is there.
    func verify(_ plan: InstallPlan) async throws
    /// Reads the head of every weight file before an engine does.
    func check(_ plan: InstallPlan) async throws
    /// Makes the generation; says whether its evaluation is owed.
    func stage(_ plan: InstallPlan) async throws -> (record: GenerationRecord, owesEvaluation: Bool)
}

/// The installer that fetches from the registry.
package struct ReleaseInstaller: Installer {
    let store: AgentStore
    let link: RegistryLink
    let trust: TrustKeeper
    let clock: AgentClock
    let policy: LocalPolicy
    let hardware: DeviceHardware
    let weights: WeightCheck
    /// What each piece of a download passes.
    package var gate = BackgroundGate()
    /// What other slots than this give back of memory while it is asked.
    package var reclaimable: @Sendable (SlotName) async -> ByteCount = { _ in .zero }
    /// Told of a file that turned out to be damaged, and was put aside, while it was to be installed.
    package var rotten: @Sendable (_ blob: Digest, _ release: ReleasePath) async -> Void = { _, _ in }
    /// Where engines that come as releases are unpacked; nil takes none.
    package var trees: EngineTrees?
    /// Why no candidate is tried at the moment; nil where one may be.
    let caution: @Sendable () -> String?
    /// Waits between two tries of one blob, given how many failed.
    let pause: @Sendable (Int) async throws -> Void

    package init(
        store: AgentStore, link: RegistryLink, trust: TrustKeeper, clock: AgentClock, policy: LocalPolicy,
        hardware: DeviceHardware, weights: WeightCheck, caution: @escaping @Sendable () -> String? = { nil },
        pause: @escaping @Sendable (Int) async throws -> Void = { failures in
            let full = min(AgentLimits.firstPause * (1 << min(failures, 6)), AgentLimits.longestPause)
            try await Task.sleep(for: full * Double.random(in: 0.5...1))
        }
    ) {
        self.store = store
        self.link = link
        self.trust = trust
        self.clock = clock
        self.policy = policy
        self.hardware = hardware
        self.weights = weights
        self.caution = caution
        self.pause = pause
    }

    package func verify(_ plan: InstallPlan) async throws {
        // Each was hashed while it was written; what vanished or changed its length since is fetched again.
        for item in plan.items where !store.blobs.has(item.digest, size: item.size) {
            throw SlotFailure(
                .retry, code: "blobMissing", message: "\(item.digest) of \(item.of) is not in the store any more.")
        }
    }

    package func check(_ plan: InstallPlan) async throws {
        for variant in plan.variants {
            for role in WeightLayer.Role.allCases {
                let layers = variant.manifest.weights.filter { $0.role == role }
                // A file of another format is for its engine to judge, in the confinement.
                guard !layers.isEmpty, variant.manifest.shape.format == nil else { continue }
                let paths = layers.map { store.blobs.path(of: $0.descriptor.digest) }
                let facts: WeightFacts
                do {
                    facts = try await weights.facts(of: paths)
                } catch var failure as SlotFailure {
                    failure.message = "\(variant.path.reference): \(failure.message)"
                    throw try await blamed(failure, for: layers, of: variant, plan)
                }
                let promised = role == .adapter ? variant.manifest.adapterShape : variant.manifest.shape
                guard facts.architecture == promised?.architecture, facts.tensorBytes == promised?.tensorBytes else {
                    let failure = SlotFailure(
                        .final, code: WeightCheck.malformed,
                        message: "\(variant.path.reference): the \(role.rawValue) file is not of the shape that its "
                            + "manifest states.")
                    throw try await blamed(failure, for: layers, of: variant, plan)
                }
            }
        }
    }

    /// Before a release is refused for what its files say, those that have been on this disk for a while are hashed
    /// once more: one that has rotted is fetched again, and no fault of the release's.
    private func blamed(
        _ failure: SlotFailure, for layers: [WeightLayer], of variant: InstallPlan.Variant, _ plan: InstallPlan
    ) async throws -> SlotFailure {
        guard failure.kind == .final else { return failure }
        let old = Set(plan.items.filter { $0.source == .present }.map(\.digest))
        for digest in layers.map(\.descriptor.digest) where old.contains(digest) {
            guard try await !store.blobs.scrub(digest) else { continue }
            await rotten(digest, variant.path)
            return .rotten(digest, of: variant.path.reference)
        }
        return failure
    }

    package func stage(_ plan: InstallPlan) async throws -> (record: GenerationRecord, owesEvaluation: Bool) {
        if let refusal = store.takenBack.current.refusal(of: plan.target.assignment.releases) {
            throw SlotFailure(.final, code: refusal.code, message: refusal.message)
        }
        let record = try makeRecord(plan, id: await store.journal.nextGeneration())
        if let engine = plan.engine { try await unpack(engine) }
        try await store.generations.stage(record)
        let before = try await store.journal.evaluation(release: record.contentDigest, variant: record.variantDigest)
        return (record, record.evaluation != nil && before?.passed != true)
    }

    private func makeRecord(_ plan: InstallPlan, id: GenerationID) throws -> GenerationRecord {
        if let agent = plan.agent { return record(of: agent, plan, id: id) }
        guard let first = plan.variants.first else { throw Self.nothingAssigned }
        let assignment = plan.target.assignment
        return GenerationRecord(
            id: id, slot: plan.slot, assigned: plan.target.generation, rollout: assignment.rollout,
            releases: assignment.releases, settings: assignment.settings, engine: first.entry.engine,
            variants: plan.contents, files: Self.files(plan),
            documents: plan.variants.flatMap { [$0.index, $0.entry.descriptor.digest] } + plan.signatures
                + (plan.engine?.documents ?? []),
            probes: last(plan, \.probes), evaluation: last(plan, \.evaluation),
            threshold: plan.variants.last { $0.manifest.evaluation != nil }?.manifest.threshold,
            chatTemplate: last(plan, \.chatTemplate), shape: first.manifest.shape, created: clock.now,
            build: plan.engine?.build)
    }

    /// Where several adapters run together, the last that has one speaks for all.
    private func last(_ plan: InstallPlan, _ part: KeyPath<VariantManifest, Descriptor?>) -> Digest? {
        plan.variants.compactMap { $0.manifest[keyPath: part]?.digest }.last
    }

    /// File names are ours: an engine's list of adapters is divided at commas and colons.
    private static func files(_ plan: InstallPlan) -> [GenerationFile] {
        guard let first = plan.variants.first else { return [] }
        let base = first.manifest.weights.filter { $0.role != .adapter }
        if first.manifest.shape.format != nil {
            // Such files may name each other. The manifest's reader took plain names only, and each once.
            return base.enumerated().map { index, layer in
                GenerationFile(
                    role: index == 0 ? .weights : .part, name: layer.fileName, digest: layer.descriptor.digest,
                    size: layer.descriptor.size)
            }
        }
        var files = base.enumerated().map { index, layer in
            let name = base.count == 1 ? "model.gguf" : "model-\(padded(index + 1))-of-\(padded(base.count)).gguf"
            return GenerationFile(
                role: index == 0 ? .weights : .part, name: name, digest: layer.descriptor.digest,
                size: layer.descriptor.size)
        }
        let scales = plan.target.assignment.settings.adapterScalesPermille ?? [:]
        for variant in plan.variants {
            for layer in variant.manifest.weights where layer.role == .adapter {
                let number = files.count { $0.role == .adapter } + 1
                files.append(
                    GenerationFile(
                        role: .adapter, name: "adapter-\(number).gguf", digest: layer.descriptor.digest,
                        size: layer.descriptor.size, scalePermille: scales[variant.path.repository.text]))
            }
        }
        return files
    }

    /// Five digits, as the engine expects of the parts of a split model.
    private static func padded(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}

extension GenerationRecord {
    /// Stands for the releases in the memory of evaluations.
    var contentDigest: Digest { Digest.of(releases.flatMap { Array($0.indexDigest.text.utf8) }) }
    /// Stands for the variants and the adapters' scales in the memory of evaluations.
    var variantDigest: Digest {
        let scales = files.compactMap(\.scalePermille).map(String.init).joined(separator: ",")
        return Digest.of(variants.flatMap { Array($0.text.utf8) } + Array(scales.utf8))
    }
}
