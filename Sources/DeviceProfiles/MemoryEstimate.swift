package import MartletTypes

/// How much memory an engine will take for a model, part by part.
///
/// For llama.cpp's server with its default batch of 512 tokens, or the load's. The formulas follow what the server
/// allocates; the constants were measured with version 0.7.0 (tests hold it within 15 %). Models with recurrent layers
/// take less, and those whose windowed layers are not known: it errs on the safe side.
package struct MemoryEstimate: Sendable, Hashable, Codable {
    /// The weights, mapped or read.
    package var weights: ByteCount
    /// The second copy of weights that the engine rearranges for the processor while the first stays mapped.
    package var repackedCopy: ByteCount
    /// Keys and values of all requests' contexts.
    package var cache: ByteCount
    /// Intermediate results and answers of one batch.
    package var compute: ByteCount
    /// Adapters.
    package var adapters: ByteCount
    /// The engine itself, with the vocabulary.
    package var engine: ByteCount

    /// All of it.
    package var total: ByteCount { weights + repackedCopy + cache + compute + adapters + engine }

    /// Estimates for a model with its adapters under a load, on hardware of this profile.
    package init(shape: ModelShape, adapters: [ModelShape] = [], load: SlotLoad, rule: DeviceProfile.EngineRule) {
        let parallel = Int64(max(1, load.parallelRequests))
        // llama.cpp rounds each request's context up to a multiple of 256.
        let context = (Int64(min(max(1, load.contextTokens), 1 << 40)) + 255) / 256 * 256
        weights = ByteCount(Self.sum(shape.tensorBytes.bytes))
        repackedCopy = Self.repackedCopy(shape, rule)
        cache = ByteCount(Self.cacheBytes(shape, load, rule, context: context, parallel: parallel))
        compute = ByteCount(Self.computeBytes(shape, load, rule, context: context, parallel: parallel))
        self.adapters = ByteCount(
            adapters.reduce(0) { Self.sum($0, $1.tensorBytes.bytes, Self.adapterBytes) })
        engine = ByteCount(
            Self.sum(Self.engineBytes, Self.product(Int64(shape.vocabularySize ?? 0), Self.vocabularyEntryBytes)))
    }

    /// Libraries that are resident (16.5 MiB), heap after start (2.4 MiB) and after the first request (3.9 MiB).
    private static let engineBytes: Int64 = 23 * 1_048_576
    /// A token's text, its place in the hash table and its merges.
    private static let vocabularyEntryBytes: Int64 = 110
    /// Headers of the adapter's tensors and the longer compute graph.
    private static let adapterBytes: Int64 = 2 * 1_048_576
    /// `n_ubatch`.
    private static let batchTokens: Int64 = 512

    /// One key and one value for each layer, key-value head and token (`llama_kv_cache`); layers that look back through
    /// a window keep its tokens and one batch (`llama_kv_cache_iswa`).
    private static func cacheBytes(
        _ shape: ModelShape, _ load: SlotLoad, _ rule: DeviceProfile.EngineRule, context: Int64, parallel: Int64
    ) -> Int64 {
        guard let layers = shape.blockCount, let heads = shape.headCountKV ?? shape.headCount,
            let key = shape.keyLength, let value = shape.valueLength
        else { return 0 }
        let numbers = product(Int64(heads), sum(Int64(key), Int64(value)))
        let perLayer = product(numbers, (rule.cacheType ?? .f16).blockBytes) / 32
        let windowed = Int64(min(max(0, shape.windowedLayers ?? 0), layers))
        var windowTokens = context
        if windowed > 0, let window = shape.slidingWindow, window > 0 {
            let kept = sum(Int64(window), load.batchTokens.map(Int64.init) ?? batchTokens)
            windowTokens = min(context, sum(kept, 255) / 256 * 256)
        }
        let full = product(Int64(layers) - windowed, context, perLayer)
        return product(parallel, sum(full, product(windowed, windowTokens, perLayer)))
    }

    /// The scheduler's buffer: for each token of a batch five vectors of the embedding's width and three of the
    /// feed-forward's, as 32-bit numbers; the 16-bit attention mask; one row of answers for each request. Without flash
    /// attention, which engines choose by themselves, one score for each head and place of the context besides.
    private static func computeBytes(
        _ shape: ModelShape, _ load: SlotLoad, _ rule: DeviceProfile.EngineRule, context: Int64, parallel: Int64
    ) -> Int64 {
        let batch = load.batchTokens.map(Int64.init) ?? batchTokens
        let tokens = min(batch, product(context, parallel))
        let embedding = Int64(shape.embeddingLength ?? 0)
        let feedForward = shape.feedForwardLength.map(Int64.init) ?? product(embedding, 4)
        let vectors = product(tokens, 4, sum(product(5, embedding), product(3, feedForward)))
        let mask = product(context, tokens, 2)
        let answers = product(Int64(shape.vocabularySize ?? 0), 4, parallel)
        let heads = rule.flashAttention == false ? Int64(shape.headCount ?? 0) : 0
        return sum(vectors, mask, answers, product(heads, context, tokens, 4))
    }

    /// llama.cpp keeps the mapping of a tensor that it has rearranged (its issue 19578), so both copies count.
    private static func repackedCopy(_ shape: ModelShape, _ rule: DeviceProfile.EngineRule) -> ByteCount {
        guard rule.repack, rule.loadMode == .mmap else { return .zero }
        return ByteCount(rule.repackedTypes.reduce(0) { sum($0, shape.tensorBytesByType[$1] ?? 0) })
    }

    /// A shape may come from a hostile index: products and sums stop at the largest number instead of trapping.
    private static func product(_ factors: Int64...) -> Int64 {
        factors.reduce(1) { product, factor in
            let (result, overflow) = product.multipliedReportingOverflow(by: max(0, factor))
            return overflow ? limit : min(limit, result)
        }
    }

    private static func sum(_ terms: Int64...) -> Int64 {
        terms.reduce(0) { min(limit, $0 + min(limit, max(0, $1))) }
    }

    /// Far above any memory, far enough below the largest number that the parts can be added.
    private static let limit = Int64.max / 16
}
