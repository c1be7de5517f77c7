import MartletAPI
import MartletTypes
import RegistryClient
import Testing

@Suite("Pins and holds")
struct ExemptionTests {
    @Test("A pinned slot and a held device are planned as skipped, passed over, and let in again")
    func passedOver() async throws {
        let site = try await RolloutSite(3)
        let (pinned, held, free) = (site.devices[0].name, site.devices[1].name, site.devices[2].name)
        let info = try await site.admin.exempt(pinned, slot: site.slot, ExemptionRequest(reason: "validated ward"))
        #expect(info.pins?[site.slot]?.reason == "validated ward" && info.pins?[site.slot]?.by == "admin")
        #expect(try await site.admin.exempt(held, ExemptionRequest(reason: "on loan")).hold?.reason == "on loan")
        let plan = try await site.admin.planRollout(site.request(0))
        #expect(
            Dictionary(uniqueKeysWithValues: plan.skipped.map { ($0.device, $0.code) }) == [
                pinned: "pinned", held: "held",
            ])
        #expect(plan.skipped.first { $0.device == pinned }?.reason.contains("validated ward") == true)
        let rollout = try await site.start(0, RolloutPolicy(soakSeconds: 0))
        func states(_ info: RolloutInfo) -> [DeviceID: String] {
            Dictionary(uniqueKeysWithValues: (info.devices ?? []).map { ($0.device, $0.code ?? $0.state.rawValue) })
        }
        #expect(states(rollout) == [pinned: "pinned", held: "held", free: "offered"])
        #expect(try await site.devices[0].poll() == nil)
        // Its turn comes when the hold ends while the rollout is open.
        #expect(try await site.admin.lift(held).hold == nil)
        _ = try await site.devices[1].obey(site.slot)
        _ = try await site.devices[2].obey(site.slot)
        let done = try await site.eventually(rollout.id, "it ends") { $0.state.isFinal }
        #expect(states(done) == [pinned: "pinned", held: "succeeded", free: "succeeded"])
        await expectProblem(404, "notExempt") { _ = try await site.admin.lift(held) }
        try await site.registry.stop()
    }

    @Test("A hold with an end is over by itself, and the rollout goes on with the device")
    func expiry() async throws {
        let site = try await RolloutSite(2)
        let held = site.devices[0].name
        _ = try await site.admin.exempt(held, ExemptionRequest(reason: "inventory", validSeconds: 600))
        let rollout = try await site.start(0, RolloutPolicy(soakSeconds: 0, deviceDeadlineSeconds: 86_400))
        #expect(rollout.devices?.first { $0.device == held }?.code == "held")
        site.registry.clock.advance(by: .seconds(601))
        try await site.eventually(rollout.id, "its turn comes") { info in
            info.devices?.first { $0.device == held }?.state == .offered
        }
        let rows = try await site.admin.audit()
        #expect(rows.contains { $0.action == "device.letIn" && $0.actor == "registry" && $0.subject == held.text })
        try await site.registry.stop()
    }

    @Test("A rollback leaves a pinned slot alone unless it names the device and is forced")
    func pinnedRollback() async throws {
        let site = try await RolloutSite(2)
        try await site.settle(0)
        try await site.settle(1)
        let pinned = site.devices[0].name
        _ = try await site.admin.exempt(pinned, slot: site.slot, ExemptionRequest(reason: "audit"))
        await expectProblem(409, "slotPinned") {
            _ = try await site.admin.rollback(RollbackRequest(device: pinned, slot: site.slot))
        }
        let all = try await site.admin.rollback(RollbackRequest(release: site.releases[1], reason: "drill"))
        #expect(all.moves.map(\.device) == [site.devices[1].name])
        #expect(all.skipped[pinned]?.contains("audit") == true)
        let forced = try await site.admin.rollback(RollbackRequest(device: pinned, slot: site.slot, force: true))
        #expect(forced.moves.map(\.to) == [[site.releases[0]]])
        try await site.registry.stop()
    }

    @Test("What is asked for is checked, audited, and within the caller's limits")
    func refusals() async throws {
        let site = try await RolloutSite(1)
        let device = site.devices[0].name
        await expectProblem(400, "badRequest") { _ = try await site.admin.exempt(device, ExemptionRequest(reason: "")) }
        await expectProblem(400, "badRequest") {
            _ = try await site.admin.exempt(device, ExemptionRequest(reason: "x", validSeconds: 0))
        }
        await expectProblem(404, "unknownDevice") {
            _ = try await site.admin.exempt(try DeviceID("nobody"), ExemptionRequest(reason: "x"))
        }
        try await site.settle(0)
        let other = try await site.registry.operatorClient(role: .operator, namespaces: ["lab"])
        await expectProblem(403, "outOfReach") {
            _ = try await other.exempt(device, slot: site.slot, ExemptionRequest(reason: "x"))
        }
        let viewer = try await site.registry.operatorClient(role: .viewer)
        await expectProblem(403, "forbidden") { _ = try await viewer.exempt(device, ExemptionRequest(reason: "x")) }
        _ = try await site.admin.exempt(device, slot: site.slot, ExemptionRequest(reason: "audit"))
        _ = try await site.admin.lift(device, slot: site.slot)
        let actions = try await site.admin.audit().map(\.action)
        #expect(actions.contains("device.pin") && actions.contains("device.unpin"))
        try await site.registry.stop()
    }
}
