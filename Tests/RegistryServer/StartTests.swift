import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

@testable import RegistryServer

@Suite struct StartTests {
    @Test("An empty folder becomes a registry with keys of its own, one token, and no root")
    func empty() async throws {
        let registry = try await RegistryFixture.start()
        for name in ["snapshot.pem", "timestamp.pem", "director.pem", "authority.pem", "device-listener.pem"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: registry.folder.file("data/keys/" + name))
            #expect((attributes[.posixPermissions] as? Int) == 0o600, "\(name)")
        }
        #expect(registry.lines.all.contains { $0.contains(registry.folder.file("admin.token")) })
        #expect(!registry.lines.all.contains { $0.contains("martlet_") }, "it is in the file")
        #expect(registry.lines.all.contains { $0.contains("not ready: no root") })
        #expect(try await registry.call(.get, "/healthz").status == 200)
        let ready = try await registry.call(.get, "/readyz")
        #expect(ready.status == 503)
        #expect(try JSONText.decode(Problem.self, from: ready.body).code == "noRoot")
        await expectProblem(503, "noRoot") { _ = try await registry.admin.createJoinToken(JoinTokenRequest()) }
        try await registry.stop()
        #expect(!FileManager.default.fileExists(atPath: registry.folder.file("data/run/addresses.json")))
    }

    @Test(
        "The first token is printed only where nobody keeps what is printed; else it is in a file of the owner's",
        arguments: [false, true])
    func firstToken(isKept: Bool) async throws {
        let folder = try TemporaryFolder("registry")
        let lines = RegistryFixture.Lines()
        let configuration = RegistryConfiguration(
            dataFolder: folder.file("data"), operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
            deviceAddress: ListenAddress(host: "127.0.0.1", port: 0), isOutputKept: isKept, clock: { TestClock().now },
            announce: { lines.add($0) })
        let app = RegistryApp(configuration: configuration)
        let running = Task { try await app.run(handlingSignals: false) }
        try await eventually(within: 30, "it listens") {
            FileManager.default.fileExists(atPath: folder.file("data/run/addresses.json"))
        }
        await app.stop()
        try await running.value
        let file = folder.file("data/admin.token")
        #expect(FileManager.default.fileExists(atPath: file) == isKept)
        #expect(lines.all.contains { $0.contains("martlet_") } == !isKept)
        #expect(lines.all.contains { $0.contains(file) } == isKept)
        guard isKept else { return }
        #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("martlet_"))
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("A restart keeps token, keys, root, releases and devices, and shows no token again")
    func restart() async throws {
        let first = try await RegistryFixture.start()
        try await first.initializeTrust()
        let release = try await first.publish("clinic/triage/1.0.0")
        let keys = try await first.admin.onlineKeys()
        _ = try await SimulatedDevice("box-1", at: first)
        try await first.stop()
        let second = try await RegistryFixture.start(on: first.folder)
        #expect(!second.lines.all.contains { $0.contains("martlet_") })
        #expect(try await second.call(.get, "/readyz").status == 200)
        #expect(try await second.admin.onlineKeys().authority == keys.authority)
        #expect(try await second.admin.release(release.path).indexDigest == release.index)
        #expect(try await second.admin.devices().map(\.device.text) == ["box-1"])
        #expect(try await second.oci.manifest(release.index, in: release.path.repository).count == Int(release.length))
        try await second.stop()
    }

    @Test("Two registries do not share a folder")
    func lockedFolder() async throws {
        let registry = try await RegistryFixture.start()
        let second = RegistryConfiguration(
            dataFolder: registry.folder.file("data"), operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
            deviceAddress: ListenAddress(host: "127.0.0.1", port: 0), clock: { registry.clock.now }, announce: { _ in })
        await #expect(throws: ServerError(503, "dataFolderInUse", "")) {
            try await RegistryApp(configuration: second).run(handlingSignals: false)
        }
        #expect(try await registry.call(.get, "/healthz").status == 200)
        try await registry.stop()
    }

    @Test("A port that is in use is named with the way out")
    func portInUse() async throws {
        let registry = try await RegistryFixture.start()
        let folder = try TemporaryFolder("registry")
        let configuration = RegistryConfiguration(
            dataFolder: folder.file("data"), operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
            deviceAddress: ListenAddress(host: "127.0.0.1", port: registry.deviceOrigin.port),
            clock: { registry.clock.now }, announce: { _ in })
        let error = await #expect(throws: ServerError.self) {
            try await RegistryApp(configuration: configuration).run(handlingSignals: false)
        }
        #expect(error?.code == "addressInUse")
        #expect(error?.message.contains(":\(registry.deviceOrigin.port)") == true)
        try await registry.stop()
    }

    @Test("A registry that slept past its timestamp signs a new one before it serves")
    func slept() async throws {
        let first = try await RegistryFixture.start()
        try await first.initializeTrust()
        let before = try await first.admin.status()
        try await first.stop()
        first.clock.advance(by: .seconds(3 * 86_400))
        let second = try await RegistryFixture.start(on: first.folder, clock: first.clock)
        let after = try await second.admin.status()
        #expect(after.readiness == "ready")
        #expect((after.metadataVersions["timestamp"] ?? 0) > (before.metadataVersions["timestamp"] ?? 0))
        #expect(after.metadataVersions["root"] == 1)
        try await second.stop()
    }

    @Test("Every kind of refusal of the store becomes an answer that says whose fault it is")
    func storeErrors() {
        for code in StoreErrorCodes.all {
            let error = ErrorAnswer.refusal(for: code)
            #expect((400...599).contains(error.status) && !error.message.isEmpty, "\(code)")
        }
        #expect(ErrorAnswer.refusal(for: StoreErrorCodes.diskFull).status == 507)
        #expect(ErrorAnswer.refusal(for: CocoaError(.fileNoSuchFile)).code == "internalError")
    }
}
