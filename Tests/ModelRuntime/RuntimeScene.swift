import Foundation
import MartletTypes
import ModelRuntime
import Telemetry
import TestSupport
import Testing

/// The real engine, or the sentence that says how to get it.
func llamaServer() async throws -> EngineBinary {
    let path = try #require(Checkout.llamaServer, "llama-server is missing: `make test` obtains it")
    return try await EngineBinary.probe(path: path)
}

/// Small real models.
enum TinyModel {
    static let v1 = Checkout.fixture("models/tiny/tiny-v1.Q4_0.gguf")
    static let v2 = Checkout.fixture("models/tiny/tiny-v2.Q4_0.gguf")
    static let adapter = Checkout.fixture("models/tiny/tiny-lora-v1.gguf")
    static let crashingAdapter = Checkout.fixture("models/tiny/crash-lora.gguf")
}

/// A scratch folder with a launcher in it, and what it started.
final class RuntimeScene: Sendable {
    let folder: TemporaryFolder
    let launcher: ForkLauncher
    let slot: SlotName

    init(confinement: Confinement = Confinement()) async throws {
        folder = try TemporaryFolder("rt")
        slot = try SlotName("triage")
        launcher = ForkLauncher(
            engines: InstalledEngines(try await llamaServer()), runFolder: folder.path, confinement: confinement)
    }

    func spec(
        generation: Int = 1, model: String = TinyModel.v1, adapters: [EngineAdapter] = [], parallel: Int = 4
    ) -> EngineSpec {
        EngineSpec(
            slot: slot, generation: generation, modelPaths: [model], adapters: adapters,
            settings: SlotSettings(contextTokens: 256, parallelRequests: parallel, threads: 1),
            socketPath: folder.file("g\(generation)/e.sock"), logPath: folder.file("g\(generation).log"))
    }

    /// Starts an engine and waits until it is ready.
    func ready(_ spec: EngineSpec) async throws -> any RuntimeProcess {
        let process = try await launcher.launch(spec)
        try await EngineClient(socketPath: spec.socketPath).waitUntilReady(timeout: .seconds(120), process: process)
        return process
    }
}

/// The time of measurements: the wall clock, as in the agent.
func wallClock() -> Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }

/// Runs a gateway while `body` runs, and ends it afterwards.
func withGateway<Result: Sendable>(
    _ configuration: GatewayConfiguration = GatewayConfiguration(port: 0),
    _ body: @Sendable @escaping (Gateway, Int) async throws -> Result
) async throws -> Result {
    let gateway = Gateway(configuration: configuration, clock: wallClock)
    return try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask {
            try await gateway.run()
            return nil
        }
        group.addTask { try await body(gateway, gateway.boundPort) }
        var result: Result?
        while let next = try await group.next() {
            guard let next else { continue }
            result = next
            group.cancelAll()
        }
        return try #require(result)
    }
}

extension ReleaseLabel {
    static func test(_ version: Int) -> ReleaseLabel { ReleaseLabel(path: "clinic/triage/\(version).0.0", digest: "") }
}
