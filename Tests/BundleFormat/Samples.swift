import BundleFormat
import MartletTypes

/// Small valid documents that tests change in one place.
enum Samples {
    static func digest(_ text: String) -> Digest { .of(Array(text.utf8)) }

    static func descriptor(_ text: String, mediaType: String = MediaType.weights, size: Int = 1000) -> Descriptor {
        Descriptor(mediaType: mediaType, digest: digest(text), size: ByteCount(size))
    }

    static func shape(_ quantization: String = "Q4_0", isAdapter: Bool = false) -> ModelShape {
        ModelShape(
            architecture: "llama", name: "Tiny", parameterCount: 1_300_000, quantization: quantization,
            fileSize: ByteCount(1000), tensorBytes: ByteCount(900), tensorBytesByType: ["Q4_0": 900],
            contextLength: 512, embeddingLength: 256, blockCount: 2, headCount: 4, headCountKV: 4, keyLength: 64,
            valueLength: 64, license: "apache-2.0", isAdapter: isAdapter)
    }

    static func entry(_ text: String = "manifest") -> VariantEntry {
        VariantEntry(
            descriptor: descriptor(text, mediaType: MediaType.manifest), quantization: "Q4_0",
            fileSize: ByteCount(1000), minMemory: ByteCount(2000), cpuFeatures: ["dotprod", "asimd"],
            engine: EngineRequirement(name: "llama.cpp", minVersion: try? SemanticVersion("0.7.0")), shape: shape())
    }

    static func model() throws -> ReleaseIndex {
        try ReleaseIndex(kind: .model, version: SemanticVersion("1.2.0"), variants: [entry()])
    }

    static func adapter() throws -> ReleaseIndex {
        var entry = entry()
        entry.adapterShape = shape("F16", isAdapter: true)
        let base = BaseBinding(release: try ReleasePath("clinic/base/1.0.0"), indexDigest: digest("base"))
        return try ReleaseIndex(kind: .adapter, version: SemanticVersion("1.2.0"), variants: [entry], base: base)
    }

    static func variant() throws -> VariantManifest {
        try VariantManifest(
            config: descriptor("config", mediaType: MediaType.modelConfig),
            weights: [WeightLayer(descriptor: descriptor("weights"), role: .model, fileName: "tiny.gguf")],
            evaluation: descriptor("evaluation"), probes: descriptor("probes"), card: descriptor("card"),
            license: descriptor("license"), chatTemplate: descriptor("template"),
            threshold: EvaluationThreshold(minAccuracy: 0.9, rows: 60), shape: shape())
    }

    static func adapterVariant() throws -> VariantManifest {
        try VariantManifest(
            config: descriptor("config"),
            weights: [
                WeightLayer(descriptor: descriptor("weights"), role: .base, fileName: "tiny.gguf"),
                WeightLayer(descriptor: descriptor("lora"), role: .adapter, fileName: "lora.gguf"),
            ], shape: shape(), adapterShape: shape("F16", isAdapter: true))
    }

    /// The bytes with one text replaced; the test fails where it does not occur.
    static func changed(_ bytes: [UInt8], _ from: String, _ to: String) throws -> [UInt8] {
        let text = String(decoding: bytes, as: UTF8.self)
        let result = text.replacing(from, with: to)
        guard result != text else { throw Absent(text: from) }
        return Array(result.utf8)
    }

    struct Absent: Error {
        let text: String
    }
}
