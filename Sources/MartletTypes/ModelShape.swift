/// What a model file says about itself that decides where it fits and how much memory it takes.
///
/// Made by the GGUF reader, used by the memory estimate and the variant choice.
package struct ModelShape: Sendable, Hashable, Codable {
    /// `general.architecture`, e.g. `llama`.
    package var architecture: String
    /// `general.name`, if the file has one.
    package var name: String?
    /// Number of weights, summed over the tensors.
    package var parameterCount: Int64
    /// The dominant quantization, e.g. `Q4_0`.
    package var quantization: String
    /// Length of the whole file or of all parts.
    package var fileSize: ByteCount
    /// Bytes of tensor data.
    package var tensorBytes: ByteCount
    /// Bytes of tensor data by GGUF type name, e.g. `["Q4_0": 1000, "F32": 20]`.
    package var tensorBytesByType: [String: Int64]
    /// `<arch>.context_length`: tokens the model was trained for.
    package var contextLength: Int?
    /// `<arch>.embedding_length`.
    package var embeddingLength: Int?
    /// `<arch>.block_count`: number of layers.
    package var blockCount: Int?
    /// `<arch>.attention.head_count`.
    package var headCount: Int?
    /// `<arch>.attention.head_count_kv`; equals `headCount` where the file does not say.
    package var headCountKV: Int?
    /// `<arch>.attention.key_length`, or embedding length ÷ heads.
    package var keyLength: Int?
    /// `<arch>.attention.value_length`, or embedding length ÷ heads.
    package var valueLength: Int?
    /// `<arch>.attention.sliding_window`: tokens that windowed layers look back; nil where the file has none.
    package var slidingWindow: Int?
    /// How many layers look back through that window; nil where it is not known.
    package var windowedLayers: Int?
    /// `<arch>.feed_forward_length`.
    package var feedForwardLength: Int?
    /// Tokens in the vocabulary.
    package var vocabularySize: Int?
    /// How it makes embeddings: `<arch>.pooling_type`, or what its publisher says; nil where neither says.
    package var pooling: Pooling?
    /// The format of a file that is no GGUF, e.g. `onnx`; nil is GGUF. Nothing else of such a file is known.
    package var format: String?
    /// `general.license`, if the file has one.
    package var license: String?
    /// Whether the file is a LoRA adapter (`general.type` = `adapter`).
    package var isAdapter: Bool
    /// `adapter.lora.alpha` of an adapter.
    package var adapterAlpha: Double?

    package init(
        architecture: String, name: String? = nil, parameterCount: Int64, quantization: String, fileSize: ByteCount,
        tensorBytes: ByteCount, tensorBytesByType: [String: Int64] = [:], contextLength: Int? = nil,
        embeddingLength: Int? = nil, blockCount: Int? = nil, headCount: Int? = nil, headCountKV: Int? = nil,
        keyLength: Int? = nil, valueLength: Int? = nil, slidingWindow: Int? = nil,
        windowedLayers: Int? = nil, feedForwardLength: Int? = nil, vocabularySize: Int? = nil,
        pooling: Pooling? = nil, license: String? = nil, isAdapter: Bool = false, adapterAlpha: Double? = nil,
        format: String? = nil
    ) {
        self.architecture = architecture
        self.name = name
        self.parameterCount = parameterCount
        self.quantization = quantization
        self.fileSize = fileSize
        self.tensorBytes = tensorBytes
        self.tensorBytesByType = tensorBytesByType
        self.contextLength = contextLength
        self.embeddingLength = embeddingLength
        self.blockCount = blockCount
        self.headCount = headCount
        self.headCountKV = headCountKV
        self.keyLength = keyLength
        self.valueLength = valueLength
        self.slidingWindow = slidingWindow
        self.windowedLayers = windowedLayers
        self.feedForwardLength = feedForwardLength
        self.vocabularySize = vocabularySize
        self.pooling = pooling
        self.license = license
        self.isAdapter = isAdapter
        self.adapterAlpha = adapterAlpha
        self.format = format
    }

    /// What a file of another format than GGUF says: its length. The format takes the place of the quantization.
    package static func opaque(format: String, name: String, fileSize: ByteCount) -> ModelShape {
        ModelShape(
            architecture: format, name: name, parameterCount: 0, quantization: format, fileSize: fileSize,
            tensorBytes: fileSize, format: format)
    }

    /// The format's name where it is that of GGUF.
    package static let ggufFormat = "gguf"
}
