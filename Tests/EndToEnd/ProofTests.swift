import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Releases that pass what they bring themselves, and are found out beside what serves.
@Suite("Rollouts that know when to stop", .serialized)
struct ProofTests {
    private static let names = ["ward-1", "ward-2", "ward-3"]
    private static let seen = Checkout.fixture("eval/tiny-eval-seen-42.jsonl")
    private static let v1 = Checkout.fixture("models/tiny/tiny-v1.Q4_0.gguf")
    private static let v2 = Checkout.fixture("models/tiny/tiny-v2.Q4_0.gguf")

    /// Three devices that serve 1.0.0. The name is short: it becomes part of the path of a socket.
    private func site(_ name: String, _ body: (Site, [Site.Device]) async throws -> Void) async throws {
        try await Site.ready(name) { site in
            var devices: [Site.Device] = []
            for name in Self.names { devices.append(try await site.startDevice(name)) }
            try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
            try await publish(site, Self.v1, "1.0.0", accuracy: "0.5")
            try await site.martlet(
                "rollout", "start", "clinic/triage:1.0.0", "--fleet", "wards", "--slot", "triage", "--soak", "1s",
                "--wait")
            try await body(site, devices)
            for device in devices {
                #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
            }
        }
    }

    private func publish(_ site: Site, _ model: String, _ version: String, accuracy: String) async throws {
        try await site.martlet(
            "publish", model, "--as", "clinic/triage:\(version)", "--eval", Self.seen, "--min-accuracy", accuracy)
    }

    /// The words that start the rollout of 2.0.0 by a policy.
    private func start(_ site: Site, by policy: String) throws -> [String] {
        let path = site.folder.file("policy-\(UUID().uuidString).yaml")
        try policy.write(toFile: path, atomically: true, encoding: .utf8)
        return [
            "rollout", "start", "clinic/triage:2.0.0", "--fleet", "wards", "--slot", "triage", "--policy", path,
        ]
    }

    /// Starts the rollout of 2.0.0 by a policy and waits until it takes itself back.
    private func takenBack(_ site: Site, by policy: String) async throws -> (info: RolloutInfo, words: String) {
        let rollout = try await site.json(RolloutInfo.self, try start(site, by: policy)).id
        try await eventually(within: 240, "the rollout takes itself back") {
            try await states(site, rollout).0.state == .rolledBack
        }
        return try await states(site, rollout)
    }

    /// All devices serve 1.0.0, and no request was lost meanwhile.
    private func expectUnharmed(_ site: Site, _ load: LoadRun) async throws {
        for name in Self.names { try await site.waitUntilServing(name, "triage", "clinic/triage:1.0.0") }
        let figures = try await load.stop()
        #expect(figures.failed == 0, "\(figures.failures)")
    }

    private func states(_ site: Site, _ rollout: RolloutID) async throws -> (RolloutInfo, String) {
        let info = try await site.json(RolloutInfo.self, "rollout", "show", rollout.text)
        let devices = (info.devices ?? []).map {
            "\($0.device) \($0.state.rawValue) \($0.code ?? "") \($0.message ?? "")"
        }
        return (info, "\(info.state.rawValue): \(info.reason); \(devices.joined(separator: "; "))")
    }

    @Test("a release that is right and slower by half is caught by the latency gate in the first wave and taken back")
    func slower() async throws {
        try await site("slow") { site, devices in
            let slow = site.folder.file("slow.gguf")
            try DeepModel.write(Self.v1, adding: 8, to: slow)
            // It is right exactly as often as 1.0.0 is.
            try await publish(site, slow, "2.0.0", accuracy: "0.6")
            let load = try site.startLoad(devices.map(\.gateway), slot: "triage", eval: Self.seen, workers: 1)
            // What the devices ran before is measured by then.
            try await eventually(within: 120, "telemetry of 1.0.0 arrives") {
                for name in Self.names {
                    let points = try await site.json([TelemetryPoint].self, "telemetry", "--device", name)
                    guard points.reduce(0, { $0 + $1.requests }) > 60 else { return false }
                }
                return true
            }
            let (info, words) = try await takenBack(
                site,
                by: """
                    waves: [1, 100%]
                    soak: 5m
                    gates:
                      - metric: time_per_output_token.p50
                        baseline: {tolerance: 50%}
                        minSamples: 10
                        interval: 2s
                        inconclusiveLimit: 10000
                    onFailure: rollbackAll
                    """)
            let tried = (info.devices ?? []).filter { $0.state == .rolledBack }
            #expect(tried.count == 1, "\(words)")
            let device = try #require(tried.first?.device.text)
            let reports = try await site.json([DeviceReport].self, "devices", "reports", device)
            let proofs = reports.compactMap { $0.figures?.evaluation }
            let proof = try #require(proofs.first)
            #expect(proof.passed && proof.correct == 26 && proof.macroF1 != nil && proof.p95Milliseconds != nil)
            let explained = try await site.martlet("rollout", "explain", info.id.text).output
            #expect(explained.contains("time_per_output_token.p50"), "\(explained)")
            try await expectUnharmed(site, load)
        }
    }

    @Test("a release that answers otherwise is caught by the agreement of shadowed answers")
    func different() async throws {
        try await site("twin") { site, devices in
            try await publish(site, Self.v2, "2.0.0", accuracy: "0.5")
            let load = try site.startLoad(devices.map(\.gateway), slot: "triage", eval: Self.seen, workers: 1)
            let (info, words) = try await takenBack(
                site,
                by: """
                    waves: [1, 100%]
                    soak: 1s
                    shadow: {share: 100%, comparison: label, samples: 20, maxTime: 10m}
                    gates:
                      - metric: shadow.agreement
                        min: 95%
                        minSamples: 10
                        interval: 1s
                        inconclusiveLimit: 10000
                    onFailure: rollbackAll
                    """)
            let tried = try #require(
                (info.devices ?? []).first { $0.state != .pending && $0.state != .skipped }, "\(words)")
            let reports = try await site.json([DeviceReport].self, "devices", "reports", tried.device.text)
            let results = reports.compactMap { $0.figures?.shadow }
            let last = results.max { $0.compared < $1.compared }
            let result = try #require(last)
            #expect(result.compared >= 10 && result.agreed < result.compared)
            #expect(result.liveMedianMilliseconds > 0 && result.candidateMedianMilliseconds > 0)
            try await expectUnharmed(site, load)
        }
    }

    @Test("the device itself refuses a candidate that answers otherwise, before it serves anyone")
    func refusedLocally() async throws {
        try await site("own") { site, devices in
            try await publish(site, Self.v2, "2.0.0", accuracy: "0.5")
            let load = try site.startLoad(devices.map(\.gateway), slot: "triage", eval: Self.seen, workers: 1)
            let command = try start(
                site,
                by: """
                    waves: [1, 100%]
                    soak: 1s
                    shadow: {share: 100%, comparison: label, samples: 20, maxTime: 10m, minAgreement: 95%}
                    onFailure: rollbackAll
                    """)
            let rollout = try await site.martlet(command + ["--wait"], expecting: 1)
            #expect(
                (rollout.output + rollout.errors).contains("shadowDisagreed"), "\(rollout.output) \(rollout.errors)")
            for name in Self.names {
                let reports = try await site.json([DeviceReport].self, "devices", "reports", name)
                let served = reports.filter { report in
                    report.releases.contains { $0.reference == "clinic/triage:2.0.0" }
                        && [.switching, .soaking, .succeeded].contains(report.state)
                }
                #expect(served.isEmpty, "\(name) served 2.0.0")
            }
            let figures = try await load.stop()
            #expect(figures.failed == 0, "\(figures.failures)")
        }
    }
}
