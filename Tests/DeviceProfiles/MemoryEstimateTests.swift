import DeviceProfiles
import MartletTypes
import Testing

@Suite("Memory estimate")
struct MemoryEstimateTests {
    /// SmolLM2-135M.
    static func smol(_ bytes: [String: Int64]) -> ModelShape {
        ModelShape(
            architecture: "llama", parameterCount: 134_515_008, quantization: "Q4_1", fileSize: ByteCount(98_362_432),
            tensorBytes: ByteCount(bytes.values.reduce(0, +)), tensorBytesByType: bytes, contextLength: 8192,
            embeddingLength: 576, blockCount: 30, headCount: 9, headCountKV: 3, keyLength: 64, valueLength: 64,
            feedForwardLength: 1536, vocabularySize: 49_152)
    }

    static func tiny(_ bytes: [String: Int64]) -> ModelShape {
        ModelShape(
            architecture: "llama", parameterCount: 1_344_768, quantization: "Q4_0", fileSize: ByteCount(820_544),
            tensorBytes: ByteCount(bytes.values.reduce(0, +)), tensorBytesByType: bytes, contextLength: 512,
            embeddingLength: 256, blockCount: 2, headCount: 4, headCountKV: 2, keyLength: 64, valueLength: 64,
            feedForwardLength: 512, vocabularySize: 640)
    }

    static let q41 = ["Q4_1": 66_355_200, "Q8_0": 30_081_024, "F32": 140_544] as [String: Int64]
    static let q40 = ["Q4_0": 59_719_680, "Q8_0": 30_081_024, "F32": 140_544] as [String: Int64]
    static let tinyQ40 = ["Q4_0": 663_552, "Q6_K": 134_400, "F32": 5120] as [String: Int64]
    static let tinyQ80 = ["Q8_0": 1_428_480, "F32": 5120] as [String: Int64]

    static func rule(_ mode: DeviceProfile.LoadMode = .mmap, repack: Bool = true) -> DeviceProfile.EngineRule {
        .init(
            contextTokens: 4096, parallelRequests: 1, loadMode: mode, repack: repack,
            repackedTypes: ["Q4_0", "Q4_K", "IQ4_NL"])
    }

    /// PSS in kibibytes of llama-server 0.7.0 on x86-64 with AVX-512, one thread, after its first request.
    @Test(
        "it is within 15 % of what llama-server took",
        arguments: [
            (smol(q41), 512, 1, rule(), 150_294), (smol(q41), 2048, 1, rule(), 185_278),
            (smol(q41), 4096, 1, rule(), 230_854),
            (smol(q41), 8192, 1, rule(), 323_206), (smol(q41), 2048, 4, rule(), 323_918),
            (smol(q40), 2048, 1, rule(), 236_458), (smol(q40), 2048, 1, rule(repack: false), 178_690),
            (smol(q40), 2048, 1, rule(.none), 178_834), (tiny(tinyQ40), 512, 1, rule(), 30_378),
            (tiny(tinyQ40), 512, 8, rule(), 34_750), (tiny(tinyQ80), 512, 4, rule(), 32_058),
        ])
    func measured(
        shape: ModelShape, context: Int, parallel: Int, rule: DeviceProfile.EngineRule, kibibytes: Int64
    ) {
        let load = SlotLoad(contextTokens: context, parallelRequests: parallel)
        let estimate = MemoryEstimate(shape: shape, load: load, rule: rule)
        let ratio = Double(estimate.total.bytes) / Double(kibibytes * 1024)
        #expect((0.85...1.15).contains(ratio), "estimate \(estimate) is \(ratio) of what was measured")
    }

    @Test("the larger batch of embeddings counts, within 15 % of what llama-server took")
    func embeddings() {
        let profile = SlotSettings(contextTokens: 2048, pooling: .mean)
        let load = SlotLoad(contextTokens: 2048, batchTokens: profile.batchTokens)
        let estimate = MemoryEstimate(shape: Self.smol(Self.q41), load: load, rule: Self.rule())
        let ratio = Double(estimate.total.bytes) / Double(245_040 * 1024)
        #expect((0.85...1.15).contains(ratio), "estimate \(estimate) is \(ratio) of what was measured")
        #expect(SlotSettings(contextTokens: 2048, pooling: .last).batchTokens == nil)
    }

    @Test(
        "adapters count, within 15 % of what llama-server took",
        arguments: [
            (smol(q41), 2048, 4_884_480, 191_550), (tiny(tinyQ40), 512, 131_072, 32_166),
        ])
    func adapters(shape: ModelShape, context: Int, adapterBytes: Int64, kibibytes: Int64) {
        let adapter = ModelShape(
            architecture: "llama", parameterCount: 1, quantization: "F16", fileSize: ByteCount(adapterBytes),
            tensorBytes: ByteCount(adapterBytes), isAdapter: true)
        let load = SlotLoad(contextTokens: context)
        let estimate = MemoryEstimate(shape: shape, adapters: [adapter], load: load, rule: Self.rule())
        #expect((0.85...1.15).contains(Double(estimate.total.bytes) / Double(kibibytes * 1024)))
        #expect(estimate.total > MemoryEstimate(shape: shape, load: load, rule: Self.rule()).total)
    }

    @Test("layers with a window keep its tokens, and a smaller type of number takes less")
    func windowAndCacheType() {
        var shape = Self.smol(Self.q41)
        let load = SlotLoad(contextTokens: 8192, parallelRequests: 2)
        func cache(_ type: DeviceProfile.CacheType? = nil) -> Int64 {
            var rule = Self.rule()
            rule.cacheType = type
            return MemoryEstimate(shape: shape, load: load, rule: rule).cache.bytes
        }
        // 30 layers, 3 heads, 64 numbers of keys and as many of values, two requests.
        let perToken: Int64 = 3 * 128 * 2 * 2
        #expect(cache() == 30 * 8192 * perToken)
        #expect(cache(.q8_0) == 30 * 8192 * perToken * 34 / 64)
        #expect(cache(.q4_0) == 30 * 8192 * perToken * 18 / 64)
        (shape.slidingWindow, shape.windowedLayers) = (512, 25)
        #expect(cache() == (5 * 8192 + 25 * 1024) * perToken)
        // A window longer than the context saves nothing, and one that is not known of any layer is not believed.
        shape.slidingWindow = 1 << 20
        #expect(cache() == 30 * 8192 * perToken)
        (shape.slidingWindow, shape.windowedLayers) = (512, nil)
        #expect(cache() == 30 * 8192 * perToken)
        (shape.slidingWindow, shape.windowedLayers) = (.max, .max)
        #expect(cache() == 30 * 8192 * perToken)
        (shape.slidingWindow, shape.windowedLayers) = (-1, -1)
        #expect(cache() == 30 * 8192 * perToken)
    }

    @Test("a shape without numbers and one with absurd numbers give an estimate, not a trap")
    func extremes() {
        let empty = ModelShape(
            architecture: "x", parameterCount: 0, quantization: "none", fileSize: .zero, tensorBytes: .zero)
        let load = SlotLoad(contextTokens: 4096)
        #expect(MemoryEstimate(shape: empty, load: load, rule: Self.rule()).total >= .mebibytes(20))
        var absurd = Self.smol([:])
        absurd.tensorBytesByType = ["Q4_0": .max, "Q4_K": .max, "F32": .min]
        absurd.tensorBytes = ByteCount(Int64.max)
        (absurd.blockCount, absurd.headCountKV, absurd.keyLength, absurd.vocabularySize) = (.max, .max, .max, .max)
        absurd.embeddingLength = -5
        let huge = SlotLoad(contextTokens: .max, parallelRequests: .max)
        #expect(MemoryEstimate(shape: absurd, load: huge, rule: Self.rule()).total > .mebibytes(1 << 40))
        absurd.tensorBytes = ByteCount(-1 as Int64)
        #expect(MemoryEstimate(shape: absurd, load: load, rule: Self.rule()).weights == .zero)
    }
}
