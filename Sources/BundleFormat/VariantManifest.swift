package import MartletTypes

/// A variant as Martlet reads its OCI manifest: all that a device needs to fetch, check and start it.
package struct VariantManifest: Sendable, Hashable {
    static let document = "variant manifest"

    /// ModelPack's config blob.
    package let config: Descriptor
    /// Weight files: of the model, or of the adapter and of its base.
    package let weights: [WeightLayer]
    /// The evaluation set, if any.
    package let evaluation: Descriptor?
    /// The smoke probes, if any.
    package let probes: Descriptor?
    /// The model card, if any.
    package let card: Descriptor?
    /// The licence text, if any.
    package let license: Descriptor?
    /// A chat template that replaces the one in the weights, if any.
    package let chatTemplate: Descriptor?
    /// What the evaluation must reach.
    package let threshold: EvaluationThreshold?
    /// The model that serves: of the base where the release is an adapter.
    package let shape: ModelShape
    /// The adapter itself, where the release is one.
    package let adapterShape: ModelShape?

    /// A variant from its parts; throws where they contradict each other.
    package init(
        config: Descriptor, weights: [WeightLayer], evaluation: Descriptor? = nil, probes: Descriptor? = nil,
        card: Descriptor? = nil, license: Descriptor? = nil, chatTemplate: Descriptor? = nil,
        threshold: EvaluationThreshold? = nil, shape: ModelShape, adapterShape: ModelShape? = nil
    ) throws(BundleError) {
        self.config = Descriptor(mediaType: MediaType.modelConfig, digest: config.digest, size: config.size)
        self.weights = weights
        self.evaluation = evaluation.map { Self.bare($0, .evaluation) }
        self.probes = probes.map { Self.bare($0, .probes) }
        self.card = card.map { Self.bare($0, .card) }
        self.license = license.map { Self.bare($0, .license) }
        self.chatTemplate = chatTemplate.map { Self.bare($0, .chatTemplate) }
        self.threshold = threshold
        self.shape = shape
        self.adapterShape = adapterShape
        try validate()
    }

    /// Reads and checks the bytes of a manifest.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        let manifest = try ImageManifest(parsing: bytes)
        guard manifest.effectiveArtifactType == MediaType.modelManifest else {
            throw BundleError(.unsupported, Self.document, "artifactType", "is not \(MediaType.modelManifest)")
        }
        guard manifest.config.mediaType == MediaType.modelConfig else {
            throw BundleError(.unsupported, Self.document, "config.mediaType", "is not \(MediaType.modelConfig)")
        }
        var weights: [WeightLayer] = []
        var others: [LayerRole: Descriptor] = [:]
        for (position, layer) in manifest.layers.enumerated() {
            let field = "layers[\(position)]"
            let (role, name) = try Self.readLayer(layer, field)
            if let weightRole = WeightLayer.Role(rawValue: role.rawValue) {
                weights.append(WeightLayer(descriptor: layer, role: weightRole, fileName: name))
            } else if others.updateValue(layer, forKey: role) != nil {
                throw BundleError(.duplicate, Self.document, field, "is a second \(role.rawValue) layer")
            }
        }
        let fields = AnnotationReader(
            document: Self.document, field: "annotations", values: manifest.annotations ?? [:])
        guard let shape = try fields.shape(AnnotationKey.shape) else {
            throw fields.refusal(.missing, AnnotationKey.shape, "is missing")
        }
        try self.init(
            config: manifest.config, weights: weights, evaluation: others[.evaluation], probes: others[.probes],
            card: others[.card], license: others[.license], chatTemplate: others[.chatTemplate],
            threshold: try Self.readThreshold(others[.evaluation]), shape: shape,
            adapterShape: try fields.shape(AnnotationKey.adapterShape))
    }

    /// Reads the manifest that `descriptor` of a verified index promises.
    package init(parsing bytes: [UInt8], matching descriptor: Descriptor) throws(BundleError) {
        try descriptor.check(bytes, document: Self.document)
        try self.init(parsing: bytes)
    }

    /// Every blob that the manifest names, config first, each digest once.
    package var blobs: [Descriptor] {
        var seen: Set<Digest> = []
        let all =
            [config] + weights.map(\.descriptor) + [evaluation, probes, card, license, chatTemplate].compactMap(\.self)
        return all.filter { seen.insert($0.digest).inserted }
    }

    /// The digests of the layers in the order of `encoded()`, for ModelPack's config.
    package static func layerDigests(
        weights: [WeightLayer], evaluation: Descriptor?, probes: Descriptor?, card: Descriptor?, license: Descriptor?,
        chatTemplate: Descriptor?
    ) -> [Digest] {
        weights.map(\.descriptor.digest) + [evaluation, probes, card, license, chatTemplate].compactMap { $0?.digest }
    }

    private static func bare(_ descriptor: Descriptor, _ role: LayerRole) -> Descriptor {
        Descriptor(mediaType: role.mediaType, digest: descriptor.digest, size: descriptor.size)
    }
}
