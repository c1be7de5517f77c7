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
    /// The launchers that there are.
    enum Kind: String, CaseIterable, Sendable { case fork, systemd }

    let folder: TemporaryFolder
    let launcher: any RuntimeLauncher
    let slot: SlotName
    /// Where engines' folders are.
    let runFolder: String
    private let kind: Kind
    private let confinement: Confinement

    init(_ kind: Kind = .fork, confinement: Confinement = Confinement()) async throws {
        folder = try TemporaryFolder("rt")
        slot = try SlotName("triage")
        self.kind = kind
        self.confinement = confinement
        // What %S of the unit stands for is the scratch folder.
        runFolder = kind == .fork ? folder.path : folder.file("martlet-agent/run/engines")
        try FileManager.default.createDirectory(atPath: runFolder, withIntermediateDirectories: true)
        launcher = try await Self.launcher(kind, folder, runFolder, confinement)
    }

    /// A launcher over the same folders, as the next run of the agent has it.
    func anotherAgent() async throws -> any RuntimeLauncher {
        try await Self.launcher(kind, folder, runFolder, confinement)
    }

    private static func launcher(
        _ kind: Kind, _ folder: TemporaryFolder, _ runFolder: String, _ confinement: Confinement
    ) async throws -> any RuntimeLauncher {
        let engines = InstalledEngines(try await llamaServer())
        switch kind {
        case .fork: return ForkLauncher(engines: engines, runFolder: runFolder, confinement: confinement)
        case .systemd:
            let units = SystemdUnits(
                command: [
                    "/usr/bin/python3", Checkout.fixture("systemd/systemctl.py"), "--state", folder.file("units"),
                    "--unit", Checkout.root + "/systemd/martlet-runtime@.service", "--program",
                    Checkout.product("martlet-agent"), "--folder", folder.path,
                ], environment: ["PATH=/usr/bin:/bin"])
            return SystemdLauncher(engines: engines, runFolder: runFolder, confinement: confinement, units: units)
        }
    }

    /// Where the stand-in for systemd keeps what it knows.
    var state: String { folder.file("units") }

    /// An engine's folder.
    func folder(of spec: EngineSpec) -> String { runFolder + "/g\(spec.generation)" }

    func spec(
        generation: Int = 1, model: String = TinyModel.v1, adapters: [EngineAdapter] = [], parallel: Int = 4
    ) -> EngineSpec {
        EngineSpec(
            slot: slot, generation: generation, modelPaths: [model], adapters: adapters,
            settings: SlotSettings(contextTokens: 256, parallelRequests: parallel, threads: 1),
            socketPath: runFolder + "/g\(generation)/e.sock", logPath: folder.file("g\(generation).log"))
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
