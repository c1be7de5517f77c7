/// Bounds on what a GGUF file may hold. Each lies well above the largest real file that was seen.
package struct GGUFLimits: Sendable {
    /// Key-value pairs. Real files have under 100.
    package var metadataEntries: UInt64 = 4096
    /// Tensors. The largest mixtures of experts with one tensor for each expert have under 50,000.
    package var tensors: UInt64 = 131_072
    /// Bytes of a key; the format's own bound is 65,535, real keys have under 80.
    package var keyBytes: UInt64 = 1024
    /// Bytes of a tensor's name: llama.cpp refuses names of 64 bytes and more.
    package var tensorNameBytes: UInt64 = 63
    /// Bytes of one string. Tokenizer models stored as one string reach some MiB.
    package var stringBytes: UInt64 = 64 * 1024 * 1024
    /// Strings up to this length are kept, longer ones only located. Chat templates reach about 20 KiB.
    package var keptStringBytes: UInt64 = 64 * 1024
    /// Bytes of all kept values together, so that a hostile file cannot fill the memory.
    package var keptBytes: UInt64 = 4 * 1024 * 1024
    /// Arrays of whole numbers up to this length are kept, e.g. heads for each layer.
    package var keptArrayElements: UInt64 = 1024
    /// Elements of one array. Vocabularies have under a million tokens and merges.
    package var arrayElements: UInt64 = 16 * 1024 * 1024
    /// Strings and inner arrays walked over in the whole file; bounds the time that reading takes.
    package var visitedElements: UInt64 = 8 * 1024 * 1024
    /// Arrays in arrays. No real key nests at all.
    package var arrayDepth = 4
    /// Dimensions of a tensor: `GGML_MAX_DIMS`.
    package var dimensions: UInt32 = 4
    /// `general.alignment`: real files say 32; the format demands a multiple of 8.
    package var alignment: UInt64 = 64 * 1024
    /// Parts of a split file.
    package var parts = 256

    package init() {}
}
