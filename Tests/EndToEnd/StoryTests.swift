import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// The main job, whole: what `make demo` tells with SmolLM2, here with models that load in milliseconds.
@Suite("The story", .serialized)
struct StoryTests {
    static let names = ["ward-1", "ward-2", "ward-3"]
    static let seen = Checkout.fixture("eval/tiny-eval-seen-42.jsonl")
    static let unseen = Checkout.fixture("eval/tiny-eval-unseen-40.jsonl")

    static func tiny(_ name: String) -> String { Checkout.fixture("models/tiny/" + name) }

    @Test("publish, roll out under load, refuse bad releases, roll back, outlive the registry, refuse a rotten blob")
    func story() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let site = try Site("story")
        try await site.startRegistry()
        try await site.initializeTrust()
        var devices: [Site.Device] = []
        for name in Self.names { devices.append(try await site.startDevice(name)) }
        let gateways = devices.map(\.gateway)
        try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")

        try await firstRelease(site)
        try await betterRelease(site, gateways)
        try await badReleases(site, gateways)
        try await rollback(site, gateways)
        try await withoutRegistry(site, &devices)
        try await rottenBlob(site, gateways)
        for device in devices { #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))") }
        try await site.stopRegistry()
    }

    /// (a) A base, an adapter line on it, and three devices that serve it.
    private func firstRelease(_ site: Site) async throws {
        try await site.martlet("publish", Self.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
        try await publishAdapter(site, "tiny-lora-v1.gguf", "1.0.0", eval: Self.seen, accuracy: "0.95")
        try await site.martlet(
            "rollout", "start", "clinic/triage:1.0.0", "--fleet", "wards", "--slot", "triage", "--soak", "1s", "--wait")
        for name in Self.names { try await site.waitUntilServing(name, "triage", "clinic/triage:1.0.0") }
    }

    /// (b) A better release, to one device and then to all, while every gateway is under load.
    private func betterRelease(_ site: Site, _ gateways: [String]) async throws {
        try await publishAdapter(site, "tiny-lora-v2.gguf", "2.0.0", eval: Self.seen, accuracy: "0.95")
        let load = try site.startLoad(gateways, slot: "triage", eval: Self.seen)
        try await site.martlet(
            "rollout", "start", "clinic/triage:2.0.0", "--fleet", "wards", "--slot", "triage", "--wave", "1", "--wave",
            "100%", "--soak", "1s", "--wait")
        for name in Self.names { try await site.waitUntilServing(name, "triage", "clinic/triage:2.0.0") }
        let figures = try await load.stop()
        #expect(figures.failed == 0, "\(figures.failures)")
        #expect(figures.sent > 20 && figures.streamed > 5)
    }

    /// (c) One release that is bad and one that crashes: no device serves either, and the reason is shown.
    private func badReleases(_ site: Site, _ gateways: [String]) async throws {
        let load = try site.startLoad(gateways, slot: "triage", eval: Self.seen)
        for (version, file, eval, accuracy, code) in [
            ("3.0.0", "tiny-lora-v1.gguf", Self.unseen, "0.90", "evaluationFailed"),
            ("3.0.1", "crash-lora.gguf", Self.seen, "0.90", "engineExited"),
        ] {
            try await publishAdapter(site, file, version, eval: eval, accuracy: accuracy)
            let rollout = try await site.martlet(
                "rollout", "start", "clinic/triage:\(version)", "--fleet", "wards", "--slot", "triage", "--wave", "1",
                "--wave", "100%", "--soak", "1s", "--on-failure", "rollbackAll", "--wait", expecting: 1)
            #expect((rollout.output + rollout.errors).contains(code), "\(rollout.output) \(rollout.errors)")
            for name in Self.names {
                let slot = try #require(try await site.device(name).slots[SlotName("triage")])
                #expect(slot.serving && slot.current.map(\.reference) == ["clinic/triage:2.0.0"])
                let history = try await site.json([DeviceReport].self, "devices", "reports", name)
                let served = history.filter { report in
                    report.releases.contains { $0.reference == "clinic/triage:\(version)" }
                        && [.switching, .soaking, .succeeded].contains(report.state)
                }
                #expect(served.isEmpty, "\(name) served \(version)")
            }
        }
        let figures = try await load.stop()
        #expect(figures.failed == 0, "\(figures.failures)")
    }

    /// (d) Back to 1.0.0 on every device, and no byte comes over the network for it.
    private func rollback(_ site: Site, _ gateways: [String]) async throws {
        let load = try site.startLoad(gateways, slot: "triage", eval: Self.seen)
        let answer = try await site.json(
            RollbackAnswer.self, "rollback", "--fleet", "wards", "--slot", "triage", "--reason", "drill", "--wait")
        #expect(
            answer.moves.count == 3 && answer.moves.allSatisfy { $0.to.map(\.reference) == ["clinic/triage:1.0.0"] })
        for name in Self.names {
            try await site.waitUntilServing(name, "triage", "clinic/triage:1.0.0")
            let move = try #require(answer.moves.first { $0.device.text == name })
            let reports = try await site.json([DeviceReport].self, "devices", "reports", name)
                .filter { ($0.generation ?? 0) >= move.assignment }
            #expect(!reports.isEmpty)
            #expect(reports.compactMap { $0.figures?.bytesFetched }.allSatisfy { $0 == 0 })
        }
        let figures = try await load.stop()
        #expect(figures.failed == 0, "\(figures.failures)")
    }

    /// (e) Without a registry devices go on serving, also after their agent was restarted.
    private func withoutRegistry(_ site: Site, _ devices: inout [Site.Device]) async throws {
        try await site.stopRegistry()
        let load = try site.startLoad(devices.map(\.gateway), slot: "triage", eval: Self.seen)
        let figures = try await load.stopAfter(requests: 9)
        #expect(figures.failed == 0, "\(figures.failures)")
        #expect(try await devices[0].process.stop() == 0)
        devices[0] = try await site.startAgent("ward-1", gateway: devices[0].gateway)
        let gateway = devices[0].gateway
        try await eventually(within: 60, "ward-1 serves after its agent's restart") {
            try await Chat.ask(gateway, model: "triage", "hello") == 200
        }
        try await site.startRegistry()
    }

    /// (f) A blob rots in the registry: a new device refuses it by name, the others serve on; it mends by itself.
    private func rottenBlob(_ site: Site, _ gateways: [String]) async throws {
        let adapter = Digest.of(Array(try Data(contentsOf: URL(fileURLWithPath: Self.tiny("tiny-lora-v1.gguf")))))
        let blob = try #require(Self.files(under: site.registryData).first { $0.hasSuffix(adapter.hex) })
        try Self.flipByte(of: blob)
        let fourth = try await site.startDevice("ward-4")
        let start = try await site.json(
            RolloutInfo.self, "rollout", "start", "clinic/triage:1.0.0", "--fleet", "wards", "--slot", "triage",
            "--soak",
            "1s", "--max-failures", "5")
        try await eventually(within: 60, "ward-4 refuses the rotten blob by name") {
            let history = try await site.json([DeviceReport].self, "devices", "reports", "ward-4")
            return history.contains { $0.code == "digestMismatch" && ($0.message ?? "").contains(adapter.hex) }
        }
        for gateway in gateways { #expect(try await Chat.ask(gateway, model: "triage", "hello") == 200) }
        #expect(try await site.device("ward-4").slots[SlotName("triage")]?.serving != true)
        try Self.flipByte(of: blob)
        try await site.waitUntilServing("ward-4", "triage", "clinic/triage:1.0.0")
        #expect(try await Chat.ask(fourth.gateway, model: "triage", "hello") == 200)
        try await eventually(within: 60, "the rollout completes") {
            try await site.json(RolloutInfo.self, "rollout", "show", start.id.text).state == .completed
        }
        #expect(try await fourth.process.stop() == 0)
    }

    private func publishAdapter(_ site: Site, _ file: String, _ version: String, eval: String, accuracy: String)
        async throws
    {
        try await site.martlet(
            "publish", Self.tiny(file), "--as", "clinic/triage:\(version)", "--adapter-of", "clinic/base:1.0.0",
            "--eval",
            eval, "--min-accuracy", accuracy)
    }

    static func files(under folder: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return names.map { folder + "/" + $0 }
    }

    /// Flips the lowest bit of the middle byte; twice restores the file.
    static func flipByte(of path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        let middle = try handle.seekToEnd() / 2
        try handle.seek(toOffset: middle)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: middle)
        try handle.write(contentsOf: Data([byte ^ 1]))
        try handle.close()
    }
}
