import MartletAPI
import MartletTypes
import RegistryClient
import Telemetry
import TestSupport
import Testing
import Trust

/// A ready registry with two releases and some devices.
struct RolloutSite {
    let registry: RegistryFixture
    let releases: [ReleasePath]
    let devices: [SimulatedDevice]
    let slot: SlotName
    let everyone: LabelSelector

    var admin: OperatorClient { registry.admin }

    init(_ count: Int, labels: [[String: String]] = []) async throws {
        registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        releases = [
            try await registry.publish("clinic/triage/1.0.0").path,
            try await registry.publish("clinic/triage/2.0.0").path,
        ]
        slot = try SlotName("triage")
        everyone = try LabelSelector("site=berlin")
        var boxes: [SimulatedDevice] = []
        for number in 0..<count {
            let own = ["site": "berlin"].merging(labels.indices.contains(number) ? labels[number] : [:]) { $1 }
            boxes.append(try await SimulatedDevice("box-\(number)", at: registry, labels: own))
        }
        devices = boxes
    }

    func request(_ release: Int, _ policy: RolloutPolicy = RolloutPolicy()) -> RolloutRequest {
        RolloutRequest(selector: everyone, slot: slot, releases: [releases[release]], policy: policy)
    }

    func start(_ release: Int, _ policy: RolloutPolicy = RolloutPolicy()) async throws -> RolloutInfo {
        try await admin.startRollout(request(release, policy))
    }

    /// Rolls a release out to all devices, which then serve it.
    func settle(_ release: Int) async throws {
        let rollout = try await start(release)
        for device in devices {
            _ = try await device.obey(slot, before: release > 0 ? [releases[release - 1]] : [])
        }
        #expect(try await admin.rollout(rollout.id).state == .completed)
    }

    func device(_ name: DeviceID) throws -> SimulatedDevice {
        try #require(devices.first { $0.name == name })
    }

    /// Waits until a rollout is as it should be; the leader ticks once a second.
    @discardableResult
    func eventually(
        _ id: RolloutID, _ what: String, _ condition: @Sendable (RolloutInfo) -> Bool
    ) async throws -> RolloutInfo {
        var info = try await admin.rollout(id)
        for _ in 0..<2400 where !condition(info) {
            try await Task.sleep(for: .milliseconds(50))
            info = try await admin.rollout(id)
        }
        #expect(condition(info), "\(what): \(info.state) \(info.phase ?? "") \(info.reason)")
        return info
    }

    /// Minutes of a device's slot as its agent sends them, the last at the registry's present minute.
    func measure(
        _ device: SimulatedDevice, _ release: Int, minutes: Int, endingSecondsAgo end: Int64 = 0,
        secondsPerToken: Double, sequence: Int64
    ) async throws {
        var intervals: [GatewayInterval] = []
        for minute in 0..<minutes {
            let time = registry.clock.now - .seconds(end + Int64(minute) * 60)
            var interval = GatewayInterval(
                slot: slot, generation: 1,
                release: ReleaseLabel(path: releases[release].text, digest: Digest.of([UInt8(release)]).text),
                start: time - .seconds(10), end: time)
            interval.requests = 20
            for number in 0..<20 { interval.timePerOutputToken.record(secondsPerToken * (1 + Double(number % 5) / 50)) }
            intervals.append(interval)
        }
        let export = try OTLP.MetricsRequest(
            device: device.name, agentVersion: "0.1.0", profile: "generic", intervals: intervals, samples: []
        ).json()
        try await device.client.telemetry(export, journal: device.journal, sequence: sequence)
    }
}
