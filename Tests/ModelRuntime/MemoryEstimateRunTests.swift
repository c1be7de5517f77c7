import DeviceProfiles
import Foundation
import GGUF
import MartletTypes
import ModelRuntime
import TestSupport
import Testing

/// The memory estimate against what the real engine takes, started as the agent starts it, after a long prompt.
@Suite("Memory of real engines", .serialized)
struct MemoryEstimateRunTests {
    /// SmolLM2-135M, where `scripts/get-model.sh` has fetched it.
    private static var smol: String? {
        let environment = ProcessInfo.processInfo.environment
        let home = environment["HOME"] ?? "/root"
        let cache = environment["MARTLET_CACHE"] ?? (environment["XDG_CACHE_HOME"] ?? home + "/.cache") + "/martlet"
        let path = cache + "/models/SmolLM2-135M-Instruct.Q4_1.gguf"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    /// The program that makes a model smaller, where it lies beside the engine.
    private static var quantizer: String? {
        guard let server = Checkout.llamaServer else { return nil }
        let tool = URL(fileURLWithPath: server).deletingLastPathComponent().appendingPathComponent("llama-quantize")
            .path
        return FileManager.default.isExecutableFile(atPath: tool) ? tool : nil
    }

    /// The estimate is held within 15 % of this, in either direction.
    private static let tolerance = 0.85...1.15

    private func check(
        _ model: String, context: Int, parallel: Int, adapter: String? = nil,
        loading: DeviceProfile.LoadMode = .mmap, repack: Bool = true, cacheType: DeviceProfile.CacheType? = nil,
        flashAttention: Bool? = nil, promptTokens: Int = 640
    ) async throws {
        let scene = try await RuntimeScene()
        var rule = try ProfileCatalog.embedded().match(HardwareProbe().facts()).engine
        (rule.loadMode, rule.repack, rule.cacheType) = (loading, repack, cacheType)
        rule.flashAttention = flashAttention
        var spec = scene.spec(model: model, adapters: adapter.map { [EngineAdapter(path: $0)] } ?? [])
        spec.settings = SlotSettings(contextTokens: context, parallelRequests: parallel, threads: 1)
        spec.loading = WeightLoading(
            isMapped: loading == .mmap, mayRepack: repack, cacheType: cacheType?.rawValue,
            flashAttention: flashAttention)
        let process = try await scene.ready(spec)
        // A prompt that fills a batch, as far as the context holds it: buffers are in memory once they were used.
        let question = String(repeating: "I was charged twice. ", count: (min(context, promptTokens) - 80) / 6)
        _ = try await EngineClient(socketPath: spec.socketPath).chat(system: "intent?", user: question, maxTokens: 8)
        let measured = try #require(process.memory()).resident
        _ = await process.terminate(grace: .seconds(20))

        let shape = try GGUFFile.read(path: model).shape()
        let adapters = try adapter.map { [try GGUFFile.read(path: $0).shape()] } ?? []
        let estimate = MemoryEstimate(
            shape: shape, adapters: adapters, load: SlotLoad(contextTokens: context, parallelRequests: parallel),
            rule: rule)
        let ratio = Double(estimate.total.bytes) / Double(measured.bytes)
        #expect(Self.tolerance.contains(ratio), "\(estimate) is \(ratio) of \(measured)")
    }

    @Test(
        "a tiny model, by quantization, context and requests at once",
        arguments: [
            ("tiny-v1.Q4_0", 256, 1), ("tiny-v1.Q4_0", 512, 8), ("tiny-v1.Q4_K_M", 512, 4), ("tiny-v1.Q8_0", 512, 1),
            ("tiny-v1.Q8_0", 512, 16),
        ])
    func tiny(model: String, context: Int, parallel: Int) async throws {
        try await check(Checkout.fixture("models/tiny/\(model).gguf"), context: context, parallel: parallel)
    }

    @Test("a tiny model with its adapter")
    func tinyAdapter() async throws {
        try await check(TinyModel.v1, context: 512, parallel: 2, adapter: TinyModel.adapter)
    }

    @Test(
        "SmolLM2, by context and requests at once",
        .enabled(if: Installed.everything || smol != nil, "`make test` fetches SmolLM2"),
        arguments: [(512, 1), (2048, 1), (8192, 1), (2048, 4)])
    func smolContexts(context: Int, parallel: Int) async throws {
        try await check(try #require(Self.smol), context: context, parallel: parallel)
    }

    @Test(
        "SmolLM2 with its adapter, read instead of mapped, and with a smaller cache",
        .enabled(if: Installed.everything || smol != nil, "`make test` fetches SmolLM2"))
    func smolWays() async throws {
        let model = try #require(Self.smol)
        let adapter = Checkout.fixture("models/smollm2/lora-v1.F16.gguf")
        try await check(model, context: 2048, parallel: 1, adapter: adapter)
        try await check(model, context: 2048, parallel: 1, loading: .none)
        try await check(model, context: 4096, parallel: 2, cacheType: .q8_0)
        try await check(model, context: 4096, parallel: 2, cacheType: .q4_0)
    }

    @Test(
        "SmolLM2 without flash attention, and with it and a smaller cache",
        .enabled(if: Installed.everything || smol != nil, "`make test` fetches SmolLM2"))
    func smolAttention() async throws {
        let model = try #require(Self.smol)
        // The scores' matrix comes into memory as the context fills.
        try await check(model, context: 2048, parallel: 1, flashAttention: false, promptTokens: 2048)
        try await check(model, context: 4096, parallel: 2, cacheType: .q8_0, flashAttention: true)
    }

    @Test(
        "rearranged weights take a second copy where they are mapped, and one where they are read or left as they are",
        .enabled(
            if: Installed.everything || smol != nil && quantizer != nil,
            "llama-quantize beside llama-server and SmolLM2: `make test` fetches both"))
    func rearranged() async throws {
        // Q4_0 of SmolLM2 is made here: it is what processors rearrange, and in no package.
        let (base, tool) = (try #require(Self.smol), try #require(Self.quantizer))
        let folder = try TemporaryFolder("q4")
        let model = folder.file("smol.Q4_0.gguf")
        let made = try await run(tool, ["--allow-requantize", base, model, "Q4_0", "1"])
        try #require(made.status == 0, "\(made.errors)")
        try await check(model, context: 2048, parallel: 1, loading: .mmap)
        try await check(model, context: 2048, parallel: 1, loading: .none)
        try await check(model, context: 2048, parallel: 1, loading: .mmap, repack: false)
    }
}
