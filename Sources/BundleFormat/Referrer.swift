package import MartletTypes

/// A document about a manifest, kept beside it: an OCI artifact with one layer whose `subject` is that manifest.
///
/// Source: OCI image spec 1.1, "Guidelines for Artifact Usage", and distribution spec 1.1, "Listing Referrers".
package struct Referrer: Sendable, Hashable {
    /// The empty JSON object, which stands where an artifact has no configuration.
    package static let emptyConfig = Array("{}".utf8)
    private static let emptyType = "application/vnd.oci.empty.v1+json"

    /// What the document is: both the artifact type and the media type of the layer.
    package let type: String
    /// The document itself.
    package let document: Descriptor
    /// The manifest that it is about.
    package let subject: Descriptor

    /// A document in `bytes` about `subject`; `fileName` is what pulling it writes.
    package init(type: String, document bytes: [UInt8], fileName: String, about subject: Descriptor) {
        self.type = type
        document = Descriptor(mediaType: type, of: bytes, annotations: [AnnotationKey.title: fileName])
        self.subject = Descriptor(mediaType: subject.mediaType, digest: subject.digest, size: subject.size)
    }

    /// Reads a manifest that must be about `subject` and of this type; throws naming what is not so.
    package init(parsing bytes: [UInt8], type: String, about subject: Digest) throws(BundleError) {
        let manifest = try ImageManifest(parsing: bytes)
        guard manifest.effectiveArtifactType == type else {
            throw BundleError(.unsupported, "referrer", "artifactType", "is not \(type)")
        }
        guard let found = manifest.subject, found.digest == subject else {
            throw BundleError(.contradiction, "referrer", "subject", "is not \(subject)")
        }
        guard manifest.layers.count == 1, let layer = manifest.layers.first, layer.mediaType == type else {
            throw BundleError(.invalid, "referrer", "layers", "is not one document of type \(type)")
        }
        self.type = type
        document = layer
        self.subject = found
    }

    /// The bytes of the manifest; equal documents give equal bytes. `notes` are for who lists referrers.
    package func encoded(notes: [String: String] = [:]) throws(BundleError) -> [UInt8] {
        let config = Descriptor(mediaType: Self.emptyType, of: Self.emptyConfig)
        let manifest = ImageManifest(
            artifactType: type, config: config, layers: [document], subject: subject,
            annotations: notes.isEmpty ? nil : notes)
        return try DocumentCoder.encode(manifest, "referrer")
    }
}

/// A file that pulling a manifest writes into a folder.
package struct PulledFile: Sendable, Hashable {
    /// The layer's title.
    package let name: String
    /// The layer's digest.
    package let digest: Digest
    /// What it is for, where it is a layer of ours.
    package let role: LayerRole?

    /// Whether an engine reads it: weights and the chat template.
    package var reachesEngine: Bool {
        switch role {
        case .model, .base, .adapter, .chatTemplate: true
        case .evaluation, .probes, .card, .license: false
        case nil: true
        }
    }
}

extension ImageManifest {
    /// The files that `oras pull` writes; layers without a title are left out, as it does.
    package var pulledFiles: [PulledFile] {
        layers.compactMap { layer in
            layer.annotations?[AnnotationKey.title].map { name in
                PulledFile(
                    name: name, digest: layer.digest,
                    role: layer.annotations?[AnnotationKey.role].flatMap(LayerRole.init(rawValue:)))
            }
        }
    }
}
