package import MartletTypes

/// The one variant of an engine or agent release as Martlet reads its OCI manifest: one layer with the program.
package struct ProgramManifest: Sendable, Hashable {
    static let document = "program manifest"

    /// What the layer holds.
    package enum Content: String, Sendable, CaseIterable {
        /// An unpacked engine as a tar archive under zstd.
        case engine
        /// The agent's program as it is.
        case agent

        /// The media type of the layer.
        package var mediaType: String {
            self == .engine ? MediaType.engineArchive : MediaType.agentProgram
        }
    }

    /// What the layer holds.
    package let content: Content
    /// The layer: digest and length.
    package let layer: Descriptor
    /// Bytes that it takes once unpacked, which no archive may exceed.
    package let unpacked: ByteCount

    package init(content: Content, layer: Descriptor, unpacked: ByteCount) throws(BundleError) {
        self.content = content
        self.layer = Descriptor(mediaType: content.mediaType, digest: layer.digest, size: layer.size)
        self.unpacked = unpacked
        try validate()
    }

    /// Reads and checks the bytes of a manifest that `descriptor` of a verified index promises.
    package init(parsing bytes: [UInt8], matching descriptor: Descriptor) throws(BundleError) {
        try descriptor.check(bytes, document: Self.document)
        let manifest = try ImageManifest(parsing: bytes)
        guard manifest.effectiveArtifactType == MediaType.program else {
            throw BundleError(.unsupported, Self.document, "artifactType", "is not \(MediaType.program)")
        }
        guard manifest.layers.count == 1, let layer = manifest.layers.first else {
            throw BundleError(.invalid, Self.document, "layers", "is not exactly one")
        }
        guard let content = Content.allCases.first(where: { $0.mediaType == layer.mediaType }) else {
            throw BundleError(.unsupported, Self.document, "layers[0].mediaType", "is not one that is known")
        }
        let fields = AnnotationReader(
            document: Self.document, field: "annotations", values: manifest.annotations ?? [:])
        self.content = content
        self.layer = Descriptor(mediaType: layer.mediaType, digest: layer.digest, size: layer.size)
        unpacked = try fields.bytes(AnnotationKey.unpackedSize)
        try validate()
    }

    /// The bytes that are published: equal programs give equal bytes.
    package func encoded() throws(BundleError) -> [UInt8] {
        var layer = layer
        let name = content == .engine ? "engine.tar.zst" : "martlet-agent"
        layer.annotations = [
            AnnotationKey.title: name, AnnotationKey.filePath: name, AnnotationKey.role: content.rawValue,
        ]
        let manifest = ImageManifest(
            artifactType: MediaType.program, config: Self.config, layers: [layer],
            annotations: [AnnotationKey.unpackedSize: String(unpacked.bytes)])
        return try DocumentCoder.encode(manifest, Self.document)
    }

    /// OCI's empty config: there is nothing to say that the index does not. Source: OCI image spec 1.1, manifest.md.
    package static let configBytes = Array("{}".utf8)
    package static let config = Descriptor(mediaType: MediaType.emptyConfig, of: configBytes)

    private func validate() throws(BundleError) {
        guard (1...BundleLimits.programBytes).contains(layer.size.bytes) else {
            throw BundleError(
                .tooLarge, Self.document, "layers[0].size", "is not between 1 and \(BundleLimits.programBytes)")
        }
        guard (1...BundleLimits.programBytes).contains(unpacked.bytes) else {
            throw BundleError(
                .tooLarge, Self.document, AnnotationKey.unpackedSize,
                "is not between 1 and \(BundleLimits.programBytes)")
        }
    }
}

extension BundleLimits {
    /// An engine or agent, packed or not: builds for graphics processors have up to three gigabytes.
    package static let programBytes: Int64 = 4 * 1024 * 1024 * 1024
    /// Files, folders and links of an engine.
    package static let treeEntries = 20_000
    /// The path of one of them below the engine's folder.
    package static let treePathBytes = 1024
    /// Folders in each other.
    package static let treeDepth = 32
}
