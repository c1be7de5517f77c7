internal import BundleFormat
internal import MartletTypes
internal import RegistryClient

/// A blob that the release names, with where its bytes are.
struct DraftBlob: Sendable {
    let descriptor: Descriptor
    /// What it is called in progress and errors.
    let name: String
    let source: BlobSource

    init(_ descriptor: Descriptor, name: String, source: BlobSource) {
        self.descriptor = descriptor
        self.name = name
        self.source = source
    }

    /// A small blob in memory.
    init(_ bytes: [UInt8], mediaType: String, name: String) {
        self.init(Descriptor(mediaType: mediaType, of: bytes), name: name, source: .bytes(bytes))
    }
}

/// The files beside the weights; the same for every variant.
struct SideFiles: Sendable {
    var evaluation: DraftBlob?
    var probes: DraftBlob?
    var card: DraftBlob?
    var license: DraftBlob?
    var chatTemplate: DraftBlob?
    var threshold: EvaluationThreshold?

    var blobs: [DraftBlob] { [evaluation, probes, card, license, chatTemplate].compactMap(\.self) }
}

/// One variant before its manifest: what was read from the files, and from the base where there is one.
struct VariantDraft: Sendable {
    var weights: [WeightLayer]
    /// The model that serves.
    var shape: ModelShape
    /// The adapter, where there is one.
    var adapterShape: ModelShape?
    /// What it needs beyond what its files say.
    var needs = VariantNeeds()
}

/// A release as bytes: pure, the same files give the same digests on every machine.
struct ReleaseDraft: Sendable {
    /// A manifest with its config.
    struct Variant: Sendable {
        let config: DraftBlob
        let manifest: [UInt8]
        let entry: VariantEntry
    }

    let kind: ReleaseKind
    let variants: [Variant]
    /// The bytes of the index.
    let index: [UInt8]

    init(
        release: ReleasePath, variants drafts: [VariantDraft], side: SideFiles, engine: EngineRequirement,
        base: BaseBinding?
    ) throws {
        kind = base == nil ? .model : .adapter
        var variants: [Variant] = []
        for draft in drafts {
            variants.append(try Self.variant(draft, release: release, side: side, engine: engine))
        }
        // By size, so that the order of flags does not change the release.
        variants.sort {
            ($0.entry.fileSize, $0.entry.descriptor.digest) < ($1.entry.fileSize, $1.entry.descriptor.digest)
        }
        self.variants = variants
        index = try ReleaseIndex(kind: kind, version: release.version, variants: variants.map(\.entry), base: base)
            .encoded()
    }

    /// A release of programs, which were packed and described already.
    init(release: ReleasePath, kind: ReleaseKind, programs: [Variant]) throws {
        self.kind = kind
        variants = programs.sorted { $0.entry.platform.description < $1.entry.platform.description }
        index = try ReleaseIndex(kind: kind, version: release.version, variants: variants.map(\.entry)).encoded()
    }

    private static func variant(
        _ draft: VariantDraft, release: ReleasePath, side: SideFiles, engine: EngineRequirement
    ) throws -> Variant {
        let own = draft.adapterShape ?? draft.shape
        let digests = VariantManifest.layerDigests(
            weights: draft.weights, evaluation: side.evaluation?.descriptor, probes: side.probes?.descriptor,
            card: side.card?.descriptor, license: side.license?.descriptor, chatTemplate: side.chatTemplate?.descriptor)
        let config = try ModelConfig(
            descriptor: .init(
                family: own.architecture, name: own.name, version: release.version.text,
                licenses: own.license.map { [$0] }),
            config: .init(
                architecture: own.architecture, format: own.format ?? ModelShape.ggufFormat,
                paramSize: own.format == nil ? paramSize(own.parameterCount) : nil,
                quantization: own.quantization),
            modelfs: .init(diffIds: digests)
        ).encoded()
        let configBlob = DraftBlob(config, mediaType: MediaType.modelConfig, name: "config")
        let manifest = try VariantManifest(
            config: configBlob.descriptor, weights: draft.weights, evaluation: side.evaluation?.descriptor,
            probes: side.probes?.descriptor, card: side.card?.descriptor, license: side.license?.descriptor,
            chatTemplate: side.chatTemplate?.descriptor, threshold: side.threshold, shape: draft.shape,
            adapterShape: draft.adapterShape
        ).encoded()
        let size = draft.weights.reduce(ByteCount.zero) { $0 + $1.descriptor.size }
        let least = [engine.minVersion, draft.needs.engineVersion].compactMap(\.self).max()
        let entry = VariantEntry(
            descriptor: Descriptor(mediaType: MediaType.manifest, of: manifest), quantization: draft.shape.quantization,
            fileSize: size, minMemory: max(minMemory(draft), draft.needs.memory), cpuFeatures: draft.needs.cpuFeatures,
            engine: EngineRequirement(name: engine.name, minVersion: least), shape: draft.shape,
            adapterShape: draft.adapterShape)
        return Variant(config: configBlob, manifest: manifest, entry: entry)
    }

    /// Weights, a short context in 16-bit floats, and the engine itself: below this a device need not try.
    static func minMemory(_ draft: VariantDraft) -> ByteCount {
        let shape = draft.shape
        let perToken =
            Double(shape.blockCount ?? 0) * Double(shape.headCountKV ?? 0)
            * (Double(shape.keyLength ?? 0) + Double(shape.valueLength ?? 0)) * 2
        let tokens = min(PublishLimits.leastContextTokens, shape.contextLength ?? PublishLimits.leastContextTokens)
        let context = min(perToken * Double(tokens), Double(Limits.blobBytes) / 4)
        let weights = min(shape.tensorBytes.bytes + (draft.adapterShape?.tensorBytes.bytes ?? 0), Limits.blobBytes / 2)
        return ByteCount(weights + Int64(context) + PublishLimits.engineBytes)
    }

    /// `135M`, `1.7B`: as ModelPack writes numbers of parameters.
    static func paramSize(_ count: Int64) -> String {
        for (unit, name) in [(1_000_000_000 as Int64, "B"), (1_000_000, "M"), (1000, "K")] where count >= unit {
            let tenths = (count / (unit / 10) + (count % (unit / 10) >= unit / 20 ? 1 : 0))
            return tenths >= 100 || tenths % 10 == 0
                ? "\((tenths + 5) / 10)\(name)" : "\(tenths / 10).\(tenths % 10)\(name)"
        }
        return String(count)
    }
}
