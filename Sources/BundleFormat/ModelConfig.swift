package import MartletTypes

/// ModelPack's model config: what a model is, for people and for other tools. Devices decide by the manifest.
///
/// Source: CNCF ModelPack model-spec, docs/config.md. No time of creation, so that equal content gives equal digests.
package struct ModelConfig: Sendable, Hashable, Codable {
    /// What the model is called and where it comes from.
    package struct Description: Sendable, Hashable, Codable {
        /// Family, here the architecture, e.g. `llama`.
        package var family: String?
        /// Name, e.g. `SmolLM2 135M Instruct`.
        package var name: String?
        /// Version of the release.
        package var version: String?
        /// SPDX licence expressions.
        package var licenses: [String]?

        package init(family: String? = nil, name: String? = nil, version: String? = nil, licenses: [String]? = nil) {
            self.family = family
            self.name = name
            self.version = version
            self.licenses = licenses
        }
    }

    /// What the model is made of.
    package struct Parameters: Sendable, Hashable, Codable {
        /// E.g. `llama`.
        package var architecture: String?
        /// `gguf`, or what else the publisher named, e.g. `onnx`.
        package var format: String?
        /// Number of weights in billions or millions, e.g. `135M`.
        package var paramSize: String?
        /// E.g. `Q4_0`.
        package var quantization: String?

        package init(
            architecture: String? = nil, format: String? = nil, paramSize: String? = nil, quantization: String? = nil
        ) {
            self.architecture = architecture
            self.format = format
            self.paramSize = paramSize
            self.quantization = quantization
        }
    }

    /// The layers by the digest of their uncompressed bytes; raw layers have only one form.
    package struct FileSystem: Sendable, Hashable, Codable {
        /// Always `layers`.
        package var type: String
        /// Digests in the order of the manifest's layers.
        package var diffIds: [Digest]

        package init(diffIds: [Digest]) {
            type = "layers"
            self.diffIds = diffIds
        }
    }

    package var descriptor: Description
    package var config: Parameters
    package var modelfs: FileSystem

    package init(descriptor: Description, config: Parameters, modelfs: FileSystem) {
        self.descriptor = descriptor
        self.config = config
        self.modelfs = modelfs
    }

    /// Reads a config; throws naming the field.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        self = try DocumentCoder.decode(
            ModelConfig.self, from: bytes, limit: Limits.manifestBytes, "model config")
    }

    /// The bytes that are published.
    package func encoded() throws(BundleError) -> [UInt8] {
        try DocumentCoder.encode(self, "model config")
    }
}
