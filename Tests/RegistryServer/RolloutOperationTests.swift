import MartletAPI
import MartletTypes
import RegistryClient
import Testing
import Trust

@Suite("Operations on rollouts")
struct RolloutOperationTests {
    @Test("A wave that wants a person waits for the confirmation, which is recorded with who gave it")
    func confirmation() async throws {
        let site = try await RolloutSite(2)
        let policy = RolloutPolicy(waves: [RolloutWave(size: .count(1), confirm: true)], soakSeconds: 0)
        let rollout = try await site.start(0, policy)
        let first = try #require(rollout.devices?.first { $0.state == .offered }?.device)
        await expectProblem(409, "rolloutState") { _ = try await site.admin.changeRollout(rollout.id, .confirm) }
        _ = try await site.device(first).obey(site.slot)
        let waiting = try await site.eventually(rollout.id, "it waits") { $0.phase == "confirming" }
        #expect(waiting.state == .running && waiting.devices?.filter { $0.state == .pending }.count == 1)
        let because = try await site.admin.explainRollout(rollout.id).because.joined(separator: " ")
        #expect(because.contains("martlet rollout confirm"), "\(because)")
        let going = try await site.admin.changeRollout(rollout.id, .confirm, RolloutChange(reason: "looks well"))
        #expect(going.decisions?.contains { $0.action == "confirm" && $0.reason.contains("looks well") } == true)
        let second = try #require(going.devices?.first { $0.state == .offered }?.device)
        _ = try await site.device(second).obey(site.slot)
        try await site.eventually(rollout.id, "it ends") { $0.state == .completed }
        let rows = try await site.admin.audit()
        #expect(rows.contains { $0.action == "rollout.ask.confirm" && $0.actor == "admin" })
        try await site.registry.stop()
    }

    @Test("A device that failed is tried again under a new generation; one that takes no part is refused by name")
    func retry() async throws {
        let site = try await RolloutSite(2)
        let rollout = try await site.start(0, RolloutPolicy(soakSeconds: 0, maxFailures: 5))
        let failed = try await site.devices[0].obey(site.slot, fails: "downloadFailed")
        _ = try await site.devices[1].obey(site.slot)
        await expectProblem(422, "notInRollout") {
            _ = try await site.admin.changeRollout(
                rollout.id, .retry, RolloutChange(devices: [try DeviceID("nobody")]))
        }
        let again = try await site.admin.changeRollout(
            rollout.id, .retry, RolloutChange(reason: "the link is back", devices: [site.devices[0].name]))
        #expect(again.state == .running, "\(again.reason)")
        let part = again.devices?.first { $0.device == site.devices[0].name }
        #expect(part?.attempts == 1 && part?.lastFailure == "downloadFailed: as the test wants it")
        #expect(again.decisions?.contains { $0.action == "retry" && $0.reason.contains("the link is back") } == true)
        let slot = try #require(try await site.devices[0].poll(wait: .seconds(50))?.slots[site.slot])
        try await site.devices[0].report(.offered, site.slot, slot, code: "planning")
        let because = try await site.admin.explainRollout(rollout.id, device: site.devices[0].name).because
        #expect(because.contains { $0.contains("Attempt 1 failed: downloadFailed") }, "\(because)")
        #expect(because.contains { $0.contains("planning") }, "\(because)")
        try await site.devices[0].put(
            current: slot.releases.map(\.path), previous: [], slot: site.slot, generation: slot.generation)
        try await site.devices[0].report(.succeeded, site.slot, slot)
        #expect(slot.generation > (failed.slots[site.slot]?.generation ?? 0))
        let done = try await site.eventually(rollout.id, "it ends") { $0.state == .completed }
        #expect(done.counts["succeeded"] == 2)
        try await site.registry.stop()
    }

    @Test("An aborted rollout leaves devices where they are; rolled back afterwards they go back, those at work too")
    func afterAbort() async throws {
        let site = try await RolloutSite(2)
        try await site.settle(0)
        let rollout = try await site.start(1)
        let atWork = try #require(try await site.devices[0].poll(wait: .seconds(50))?.slots[site.slot])
        try await site.devices[0].report(.downloading, site.slot, atWork)
        #expect(try await site.admin.changeRollout(rollout.id, .abort).state == .aborted)
        #expect(try await site.devices[0].poll() == nil)
        let answer = try await site.admin.rollback(RollbackRequest(rollout: rollout.id, reason: "cancelled"))
        #expect(answer.moves.count == 2 && answer.moves.allSatisfy { $0.to == [site.releases[0]] })
        let back = try #require(try await site.devices[0].poll(wait: .seconds(50))?.slots[site.slot])
        #expect(back.releases.map(\.path) == [site.releases[0]])
        let moves = try await site.admin.moves(of: site.devices[0].name)
        #expect(moves.map(\.releases) == [[site.releases[0]], [site.releases[1]], [site.releases[0]]])
        #expect(moves[0].reason.contains("cancelled") && moves[0].actor == "admin" && moves[0].rollout == rollout.id)
        #expect(moves[1].state == .downloading && moves[2].state == .succeeded)
        try await site.registry.stop()
    }

    @Test("A newer rollout takes all devices over and the older one ends; a device that was away gets the newest")
    func superseding() async throws {
        let site = try await RolloutSite(2)
        try await site.settle(0)
        let third = try await site.registry.publish("clinic/triage/3.0.0").path
        let old = try await site.start(1)
        let new = try await site.admin.startRollout(
            RolloutRequest(selector: site.everyone, slot: site.slot, releases: [third]))
        let ended = try await site.admin.rollout(old.id)
        #expect(ended.state == .aborted && ended.cause == "superseded", "\(ended.reason)")
        #expect(ended.reason.contains(new.id.text))
        let assignment = try #require(try await site.devices[0].poll(wait: .seconds(50)))
        #expect(assignment.slots[site.slot]?.releases.map(\.path) == [third])
        // It never came to run 2.0.0, so back is what it runs.
        let answer = try await site.admin.rollback(RollbackRequest(rollout: new.id))
        #expect(answer.moves.map(\.to) == [[site.releases[0]], [site.releases[0]]])
        try await site.registry.stop()
    }

    @Test("A rollout that keeps some of its devices goes on with them")
    func partlySuperseded() async throws {
        let site = try await RolloutSite(2, labels: [["ring": "canary"]])
        let old = try await site.start(0)
        _ = try await site.admin.startRollout(
            RolloutRequest(
                selector: try LabelSelector("ring=canary"), slot: site.slot, releases: [site.releases[1]]))
        let going = try await site.admin.rollout(old.id)
        #expect(going.state == .running && going.counts == ["superseded": 1, "offered": 1], "\(going.counts)")
        _ = try await site.devices[1].obey(site.slot)
        #expect(try await site.admin.rollout(old.id).state == .completed)
        try await site.registry.stop()
    }

    @Test("With dynamic membership a device that enrols or is labelled later joins; with frozen it does not")
    func joining() async throws {
        let site = try await RolloutSite(2)
        let policy = RolloutPolicy(waves: [.count(1)], membership: .dynamic, soakSeconds: 0)
        let rollout = try await site.start(0, policy)
        let newcomer = try await SimulatedDevice("late-1", at: site.registry)
        let stranger = try await SimulatedDevice("late-2", at: site.registry, labels: ["site": "moon"])
        try await site.eventually(rollout.id, "the newcomer joins") { info in
            info.devices?.contains { $0.device == newcomer.name } == true
        }
        _ = try await site.admin.patchDevice(stranger.name, DevicePatch(labels: try Labels(["site": "berlin"])))
        let joined = try await site.eventually(rollout.id, "the other joins") { info in
            info.devices?.contains { $0.device == stranger.name } == true
        }
        #expect(joined.decisions?.contains { $0.action == "join" && $0.reason.contains("late-1") } == true)
        _ = try await site.admin.changeRollout(rollout.id, .abort)
        let frozen = try await site.start(1)
        _ = try await SimulatedDevice("late-3", at: site.registry)
        for device in site.devices + [newcomer, stranger] { _ = try await device.obey(site.slot) }
        let done = try await site.eventually(frozen.id, "it ends") { $0.state == .completed }
        #expect(done.devices?.count == 4)
        try await site.registry.stop()
    }

    @Test("A rollout and each device in it say why they are where they are")
    func explanation() async throws {
        let site = try await RolloutSite(2)
        let rollout = try await site.start(0, RolloutPolicy(waves: [.count(1)], soakSeconds: 0))
        let first = try #require(rollout.devices?.first { $0.state == .offered }?.device)
        let second = try #require(rollout.devices?.first { $0.state == .pending }?.device)
        _ = try await site.device(first).obey(site.slot, fails: "evaluationFailed")
        let whole = try await site.admin.explainRollout(rollout.id)
        #expect(whole.state == .paused && whole.because.first?.contains("evaluationFailed") == true)
        #expect(whole.decisions.first?.action == "pause")
        let failed = try await site.admin.explainRollout(rollout.id, device: first)
        #expect(failed.part?.lastReport?.code == "evaluationFailed" && failed.part?.moves.count == 1)
        #expect(failed.because.contains { $0.contains("evaluation failed") }, "\(failed.because)")
        let pending = try await site.admin.explainRollout(rollout.id, device: second)
        #expect(pending.because.contains { $0.contains("wave") || $0.contains("paused") }, "\(pending.because)")
        let outsider = try await SimulatedDevice("other", at: site.registry, labels: ["site": "moon"])
        let outside = try await site.admin.explainRollout(rollout.id, device: outsider.name)
        #expect(outside.part?.device == nil && outside.because.contains { $0.contains("takes no part") })
        await expectProblem(404, "unknownRollout") {
            _ = try await site.admin.explainRollout(try RolloutID("r-none"))
        }
        await expectProblem(404, "unknownDevice") {
            _ = try await site.admin.explainRollout(rollout.id, device: try DeviceID("nobody"))
        }
        try await site.registry.stop()
    }

    @Test("Conditions and shadowing of the policy stand in the signed assignment")
    func conditions() async throws {
        let site = try await RolloutSite(1)
        let conditions = UpdateConditions(idleSeconds: 30, onMains: true, bytesPerSecond: 1_000_000)
        let shadow = ShadowPolicy(sharePermille: 50, samples: 20)
        _ = try await site.start(0, RolloutPolicy(conditions: conditions, shadow: shadow))
        let update = try #require(try await site.devices[0].poll(wait: .seconds(50))?.slots[site.slot]?.update)
        #expect(update.conditions == conditions && update.shadow == shadow)
        try await site.registry.stop()
    }
}
