internal import MartletTypes

/// An OCI image manifest as it stands on the wire, from whatever tool. Source: OCI image spec 1.1, manifest.md.
package struct ImageManifest: Sendable, Hashable, Codable {
    /// Always 2.
    package var schemaVersion: Int
    /// `MediaType.manifest`; older tools leave it out.
    package var mediaType: String?
    /// What the manifest holds, where the config does not say.
    package var artifactType: String?
    /// The configuration.
    package var config: Descriptor
    /// The contents, in order.
    package var layers: [Descriptor]
    /// The manifest that this one refers to.
    package var subject: Descriptor?
    /// Free text by key.
    package var annotations: [String: String]?

    package init(
        artifactType: String? = nil, config: Descriptor, layers: [Descriptor], subject: Descriptor? = nil,
        annotations: [String: String]? = nil
    ) {
        schemaVersion = 2
        mediaType = MediaType.manifest
        self.artifactType = artifactType
        self.config = config
        self.layers = layers
        self.subject = subject
        self.annotations = annotations
    }

    /// Reads and checks what OCI demands of any manifest; Martlet's own rules are `VariantManifest`'s.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        let document = "manifest"
        self = try DocumentCoder.decode(ImageManifest.self, from: bytes, limit: Limits.manifestBytes, document)
        try DocumentCoder.checkHead(schemaVersion, mediaType, MediaType.manifest, artifactType, document)
        try config.validate(document, "config")
        guard layers.count <= Limits.layersPerVariant else {
            throw BundleError(.tooLarge, document, "layers", "has more than \(Limits.layersPerVariant) entries")
        }
        for (index, layer) in layers.enumerated() { try layer.validate(document, "layers[\(index)]") }
        try subject?.validate(document, "subject")
        try Annotations.validate(annotations, document, "annotations")
    }

    /// What the manifest holds: `artifactType`, else the config's media type (image spec 1.1, "artifactType").
    package var effectiveArtifactType: String { artifactType ?? config.mediaType }
}

/// An OCI image index as it stands on the wire, from whatever tool. Source: OCI image spec 1.1, image-index.md.
package struct ImageIndex: Sendable, Hashable, Codable {
    /// Always 2.
    package var schemaVersion: Int
    /// `MediaType.index`; older tools leave it out.
    package var mediaType: String?
    /// What the index holds.
    package var artifactType: String?
    /// The manifests, in order.
    package var manifests: [Descriptor]
    /// The manifest that this index refers to.
    package var subject: Descriptor?
    /// Free text by key.
    package var annotations: [String: String]?

    package init(
        artifactType: String? = nil, manifests: [Descriptor], subject: Descriptor? = nil,
        annotations: [String: String]? = nil
    ) {
        schemaVersion = 2
        mediaType = MediaType.index
        self.artifactType = artifactType
        self.manifests = manifests
        self.subject = subject
        self.annotations = annotations
    }

    /// Reads and checks what OCI demands of any index; Martlet's own rules are `ReleaseIndex`'s.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        let document = "index"
        self = try DocumentCoder.decode(ImageIndex.self, from: bytes, limit: Limits.manifestBytes, document)
        try DocumentCoder.checkHead(schemaVersion, mediaType, MediaType.index, artifactType, document)
        guard manifests.count <= BundleLimits.indexEntries else {
            throw BundleError(.tooLarge, document, "manifests", "has more than \(BundleLimits.indexEntries) entries")
        }
        for (index, entry) in manifests.enumerated() { try entry.validate(document, "manifests[\(index)]") }
        try subject?.validate(document, "subject")
        try Annotations.validate(annotations, document, "annotations")
    }
}

extension BundleLimits {
    /// Entries of any index, an archive's `index.json` with many releases included.
    package static let indexEntries = 4096
}
