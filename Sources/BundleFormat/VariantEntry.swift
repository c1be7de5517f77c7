package import MartletTypes

/// One variant as the release's index lists it: enough to choose without fetching anything else.
package struct VariantEntry: Sendable, Hashable {
    /// The variant's manifest: digest and length, without annotations.
    package var descriptor: Descriptor
    /// Where it runs; weights run anywhere.
    package var platform: Platform
    /// Dominant quantization of the model that serves: of the base where the release is an adapter.
    package var quantization: String
    /// Bytes of all weights, those of the base included.
    package var fileSize: ByteCount
    /// Memory below which it cannot run at all; the device estimates what it really takes.
    package var minMemory: ByteCount
    /// CPU features it needs, e.g. `avx2`, `dotprod`; usually none.
    package var cpuFeatures: [String]
    /// The engine it needs.
    package var engine: EngineRequirement
    /// The model that serves: of the base where the release is an adapter. Nil for engine and agent releases.
    package var shape: ModelShape?
    /// The adapter itself, where the release is one.
    package var adapterShape: ModelShape?

    package init(
        descriptor: Descriptor, platform: Platform = .any, quantization: String, fileSize: ByteCount,
        minMemory: ByteCount, cpuFeatures: [String] = [], engine: EngineRequirement, shape: ModelShape?,
        adapterShape: ModelShape? = nil
    ) {
        self.descriptor = Descriptor(
            mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size)
        self.platform = platform
        self.quantization = quantization
        self.fileSize = fileSize
        self.minMemory = minMemory
        self.cpuFeatures = cpuFeatures.sorted()
        self.engine = engine
        self.shape = shape
        self.adapterShape = adapterShape
    }

    /// The descriptor with everything else as annotations, as it stands in the index.
    func annotated() throws(BundleError) -> Descriptor {
        var notes = [
            AnnotationKey.quantization: quantization,
            AnnotationKey.fileSize: String(fileSize.bytes),
            AnnotationKey.minMemory: String(minMemory.bytes),
            AnnotationKey.engine: engine.name,
        ]
        if !cpuFeatures.isEmpty { notes[AnnotationKey.cpuFeatures] = cpuFeatures.joined(separator: ",") }
        notes[AnnotationKey.engineMinVersion] = engine.minVersion?.text
        notes[AnnotationKey.shape] = try ShapeText.encode(shape)
        notes[AnnotationKey.adapterShape] = try ShapeText.encode(adapterShape)
        var result = descriptor
        result.platform = platform
        result.annotations = notes
        return result
    }

    /// Reads an entry of an index; `kind` decides which fields must be there.
    init(_ entry: Descriptor, kind: ReleaseKind, field: String) throws(BundleError) {
        let fields = AnnotationReader(
            document: ReleaseIndex.document, field: field + ".annotations", values: entry.annotations ?? [:])
        guard entry.mediaType == MediaType.manifest else {
            throw BundleError(
                .unsupported, ReleaseIndex.document, field + ".mediaType", "is not \(MediaType.manifest)")
        }
        guard entry.size.bytes <= Limits.manifestBytes else {
            throw BundleError(
                .tooLarge, ReleaseIndex.document, field + ".size", "is over \(Limits.manifestBytes) bytes")
        }
        guard let platform = entry.platform else {
            throw BundleError(.missing, ReleaseIndex.document, field + ".platform", "is missing")
        }
        let shape = try fields.shape(AnnotationKey.shape)
        let adapterShape = try fields.shape(AnnotationKey.adapterShape)
        guard (shape != nil) == (kind == .model || kind == .adapter) else {
            throw fields.refusal(
                .contradiction, AnnotationKey.shape, "does not go with a release of kind \(kind.rawValue)")
        }
        guard (adapterShape != nil) == (kind == .adapter) else {
            throw fields.refusal(
                .contradiction, AnnotationKey.adapterShape, "does not go with a release of kind \(kind.rawValue)")
        }
        self.init(
            descriptor: entry, platform: platform, quantization: try fields.name(AnnotationKey.quantization),
            fileSize: try fields.bytes(AnnotationKey.fileSize), minMemory: try fields.bytes(AnnotationKey.minMemory),
            cpuFeatures: try fields.names(AnnotationKey.cpuFeatures), engine: try fields.engine(), shape: shape,
            adapterShape: adapterShape)
        guard shape == nil || shape?.quantization == quantization else {
            throw fields.refusal(.contradiction, AnnotationKey.quantization, "differs from the shape's")
        }
    }
}
