import MartletAPI
import MartletTypes
import RegistryClient
import Testing
import Trust

/// The spine in one walk: trust, publish, enrol, roll out, fail, roll back, over real sockets.
@Suite struct StoryTests {
    @Test("A release goes from push to two devices, a bad one is stopped, and a rollback takes both back")
    func story() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let first = try await registry.publish("clinic/triage/1.0.0")
        let second = try await registry.publish("clinic/triage/2.0.0")
        let bad = try await registry.publish("clinic/triage/3.0.0")
        let slot = try SlotName("triage")
        let devices = [
            try await SimulatedDevice("box-1", at: registry), try await SimulatedDevice("box-2", at: registry),
        ]
        let fleet = try await registry.admin.putFleet(
            Fleet(name: try FleetName("wards"), selector: try LabelSelector("site=berlin")))
        #expect(fleet.devices == 2)

        func start(_ release: PushedRelease, _ policy: RolloutPolicy = RolloutPolicy()) async throws -> RolloutInfo {
            try await registry.admin.startRollout(
                RolloutRequest(fleet: fleet.name, slot: slot, releases: [release.path], policy: policy))
        }
        func ends(_ rollout: RolloutInfo, as state: RolloutState) async throws {
            let end = try await registry.admin.rollout(rollout.id)
            #expect(end.state == state, "\(end.reason)")
        }

        let one = try await start(first)
        for device in devices { _ = try await device.obey(slot) }
        try await ends(one, as: .completed)
        let two = try await start(second)
        for device in devices { _ = try await device.obey(slot, before: [first.path]) }
        try await ends(two, as: .completed)

        let three = try await start(
            bad, RolloutPolicy(waves: [.count(1)], onFailure: .rollbackAll))
        let chosen = try #require(three.devices?.first { $0.state == .offered }?.device)
        let victim = try #require(devices.first { $0.name == chosen })
        _ = try await victim.obey(slot, fails: "evaluationFailed")
        _ = try await victim.obey(slot, before: [first.path])
        try await ends(three, as: .rolledBack)
        let end = try await registry.admin.rollout(three.id)
        #expect(end.decisions?.contains { $0.reason.contains("evaluationFailed") } == true)

        let answer = try await registry.admin.rollback(RollbackRequest(fleet: fleet.name, slot: slot, reason: "drill"))
        #expect(answer.moves.count == 2 && answer.moves.allSatisfy { $0.to == [first.path] }, "\(answer)")
        for device in devices {
            let assignment = try #require(try await device.poll(wait: .seconds(50)))
            #expect(assignment.slots[slot]?.releases.map(\.path) == [first.path])
        }
        let actions = try await registry.admin.audit().map(\.action)
        for action in [
            "trust.init", "release.publish", "device.enrol", "rollout.create", "rollout.rollBack", "rollback",
        ] {
            #expect(actions.contains(action), "\(action) is in the audit log")
        }
        try await registry.stop()
    }
}
