import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing
import Trust

@Suite("Gates over what devices measured")
struct RolloutGateTests {
    private func policy(_ onFailure: RolloutPolicy.OnFailure = .rollbackAll) -> RolloutPolicy {
        let gate = RolloutGatePolicy(
            metric: .timePerOutputToken, baseline: .init(tolerance: 1.2, confidence: 0.9), minDevices: 4,
            minSamples: 20, intervalSeconds: 1, inconclusiveLimit: 1000)
        return RolloutPolicy(
            waves: [RolloutWave(size: .count(5), soakSeconds: 1)], soakSeconds: 0, gates: [gate],
            onFailure: onFailure)
    }

    /// Rolls 2.0.0 out behind the gate: devices of the first wave install it, and are as slow as told.
    private func firstWave(_ site: RolloutSite, secondsPerToken: Double) async throws -> RolloutID {
        for device in site.devices {
            try await site.measure(device, 0, minutes: 10, endingSecondsAgo: 60, secondsPerToken: 0.05, sequence: 1)
        }
        let rollout = try await site.start(1, policy())
        for part in rollout.devices ?? [] where part.wave == 0 {
            let device = try site.device(part.device)
            _ = try await device.obey(site.slot, before: [site.releases[0]])
            try await site.measure(device, 1, minutes: 1, secondsPerToken: secondsPerToken, sequence: 2)
        }
        for part in rollout.devices ?? [] where part.wave == 1 {
            try await site.measure(
                try site.device(part.device), 0, minutes: 1, secondsPerToken: 0.05, sequence: 2)
        }
        return rollout.id
    }

    @Test("A release that is slower by half is caught in the first wave and goes back by itself")
    func slower() async throws {
        let site = try await RolloutSite(10)
        try await site.settle(0)
        let id = try await firstWave(site, secondsPerToken: 0.075)
        let caught = try await site.eventually(id, "the gate fails") { $0.state != .running }
        #expect(caught.state == .rollingBack && caught.cause == "gateFailed", "\(caught.reason)")
        #expect(caught.devices?.filter { $0.wave == 1 }.allSatisfy { $0.state == .skipped } == true)
        let decision = try #require(caught.decisions?.first { $0.action == "gateFailed" }?.figures)
        // The fourth of five may be enough, where the fifth takes its time.
        #expect(decision.gate == .timePerOutputToken && (decision.effect ?? 0) > 1.3 && decision.devices >= 4)
        for part in caught.devices ?? [] where part.wave == 0 {
            let back = try #require(try await site.device(part.device).poll(wait: .seconds(50))?.slots[site.slot])
            #expect(back.releases.map(\.path) == [site.releases[0]])
            try await site.device(part.device).report(.succeeded, site.slot, back)
            let moves = try await site.admin.moves(of: part.device)
            #expect(moves.first?.actor == "registry" && moves.first?.reason.contains("time_per_output_token") == true)
        }
        let over = try await site.eventually(id, "it is rolled back") { $0.state == .rolledBack }
        #expect(over.counts["rolledBack"] == 5)
        let standing = try #require(over.gates?.first)
        #expect(standing.failures == 1 && standing.result?.verdict == "failed")
        try await site.registry.stop()
    }

    @Test("A release that is as fast passes, and the next wave starts")
    func asFast() async throws {
        let site = try await RolloutSite(10)
        try await site.settle(0)
        let id = try await firstWave(site, secondsPerToken: 0.05)
        let going = try await site.eventually(id, "the next wave starts") { $0.wave == 1 || $0.state != .running }
        #expect(going.state == .running, "\(going.reason)")
        #expect(going.decisions?.contains { $0.action == "gatePassed" } == true)
        #expect(going.devices?.filter { $0.wave == 1 }.allSatisfy { $0.state == .offered } == true)
        try await site.registry.stop()
    }
}
