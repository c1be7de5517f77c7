/// Media types on the wire: OCI's, ModelPack's where it has one, ours where it has none.
package enum MediaType {
    /// An OCI image index: a release.
    package static let index = "application/vnd.oci.image.index.v1+json"
    /// An OCI image manifest: a variant.
    package static let manifest = "application/vnd.oci.image.manifest.v1+json"
    /// Artifact type of an index that is a release.
    package static let release = "application/vnd.martlet.release.v1+json"
    /// Artifact type of a manifest that is a variant. Source: CNCF ModelPack model-spec.
    package static let modelManifest = "application/vnd.cncf.model.manifest.v1+json"
    /// ModelPack's model config.
    package static let modelConfig = "application/vnd.cncf.model.config.v1+json"
    /// Weights as they are, so that they can be memory-mapped and read by range.
    package static let weights = "application/vnd.cncf.model.weight.v1.raw"
    /// Configuration that belongs to weights, here the chat template.
    package static let weightConfig = "application/vnd.cncf.model.weight.config.v1.raw"
    /// Documents: model card and licence text.
    package static let document = "application/vnd.cncf.model.doc.v1.raw"
    /// Data sets: the evaluation set, JSON lines.
    package static let dataset = "application/vnd.cncf.model.dataset.v1.raw"
    /// Artifact type of a manifest that is an engine or an agent.
    package static let program = "application/vnd.martlet.program.v1+json"
    /// An unpacked engine.
    package static let engineArchive = "application/vnd.martlet.engine.v1.tar+zstd"
    /// The agent's program.
    package static let agentProgram = "application/vnd.martlet.agent.v1"
    /// OCI's config of a manifest that needs none.
    package static let emptyConfig = "application/vnd.oci.empty.v1+json"
    /// Smoke probes: a JSON array.
    package static let probes = "application/vnd.martlet.probes.v1+json"
}

/// Keys of annotations on the wire.
package enum AnnotationKey {
    /// File name of a layer; `oras pull` skips layers without it.
    package static let title = "org.opencontainers.image.title"
    /// ModelPack's path of a layer.
    package static let filePath = "org.cncf.model.filepath"
    /// The release's version.
    package static let version = "org.opencontainers.image.version"
    /// SPDX licence expression.
    package static let licenses = "org.opencontainers.image.licenses"
    /// `ReleaseKind` of an index.
    package static let kind = "dev.martlet.release.kind"
    /// Path of the base release of an adapter.
    package static let baseRelease = "dev.martlet.base.release"
    /// Digest of the base release's index.
    package static let baseIndex = "dev.martlet.base.index"
    /// Dominant quantization of the model that serves.
    package static let quantization = "dev.martlet.variant.quantization"
    /// Bytes of all weights of the variant.
    package static let fileSize = "dev.martlet.variant.size"
    /// Bytes of memory below which the variant cannot run.
    package static let minMemory = "dev.martlet.variant.memory"
    /// CPU features the variant needs, separated by commas.
    package static let cpuFeatures = "dev.martlet.variant.cpu"
    /// Name of the engine the variant needs.
    package static let engine = "dev.martlet.variant.engine"
    /// Least version of that engine.
    package static let engineMinVersion = "dev.martlet.variant.engine.version"
    /// `ModelShape` of the model that serves, as JSON.
    package static let shape = "dev.martlet.variant.shape"
    /// `ModelShape` of the adapter, as JSON.
    package static let adapterShape = "dev.martlet.variant.adapter.shape"
    /// `LayerRole` of a layer.
    package static let role = "dev.martlet.layer.role"
    /// Bytes that an engine or agent takes once unpacked.
    package static let unpackedSize = "dev.martlet.program.unpacked"
    /// `EvaluationThreshold` on the evaluation layer, as JSON.
    package static let threshold = "dev.martlet.evaluation.threshold"
}
