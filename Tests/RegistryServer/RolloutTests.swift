import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import Testing
import Trust

@Suite struct RolloutTests {
    private let slot: SlotName
    private let everyone: LabelSelector

    init() throws {
        slot = try SlotName("triage")
        everyone = try LabelSelector("site=berlin")
    }

    /// A ready registry with two releases and some devices.
    private func site(_ devices: Int = 1) async throws -> (RegistryFixture, [PushedRelease], [SimulatedDevice]) {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let releases = [
            try await registry.publish("clinic/triage/1.0.0"), try await registry.publish("clinic/triage/2.0.0"),
        ]
        var boxes: [SimulatedDevice] = []
        for number in 0..<devices { boxes.append(try await SimulatedDevice("box-\(number)", at: registry)) }
        return (registry, releases, boxes)
    }

    private func request(_ paths: [ReleasePath], _ policy: RolloutPolicy = RolloutPolicy()) -> RolloutRequest {
        RolloutRequest(selector: everyone, slot: slot, releases: paths, policy: policy)
    }

    @Test("What cannot be rolled out is refused by name, with what to do")
    func refusals() async throws {
        let (registry, releases, _) = try await site()
        let admin = registry.admin
        let first = releases[0].path
        await expectProblem(404, "unknownRelease") {
            _ = try await admin.startRollout(request([try ReleasePath("clinic/triage/9.9.9")]))
        }
        await expectProblem(404, "unknownFleet") {
            _ = try await admin.startRollout(
                RolloutRequest(fleet: try FleetName("nowhere"), slot: slot, releases: [first]))
        }
        await expectProblem(400, "badRequest") {
            _ = try await admin.startRollout(RolloutRequest(slot: slot, releases: [first]))
        }
        await expectProblem(422, "noDevices") {
            _ = try await admin.startRollout(
                RolloutRequest(selector: try LabelSelector("site=moon"), slot: slot, releases: [first]))
        }
        for policy in [RolloutPolicy(soakSeconds: -1), RolloutPolicy(maxFailures: -1), RolloutPolicy(maxInFlight: 0)] {
            await expectProblem(400, "badRequest") { _ = try await admin.startRollout(request([first], policy)) }
        }
        let other = try await registry.publish("clinic/other/1.0.0")
        await expectProblem(422, "wrongKind") { _ = try await admin.startRollout(request([first, other.path])) }
        _ = try await admin.block(BlockRequest(path: first, blocked: true, reason: "it lies"))
        await expectProblem(409, "releaseNotPublished") { _ = try await admin.startRollout(request([first])) }
        _ = try await admin.block(BlockRequest(path: first, blocked: false, reason: "it does not"))
        _ = try await admin.startRollout(request([first]))
        await expectProblem(404, "unknownRollout") { _ = try await admin.rollout(try RolloutID("r-none")) }
        #expect(try await admin.rollouts().count == 1)
        try await registry.stop()
    }

    @Test("The plan shows the waves that the start then makes")
    func plan() async throws {
        let (registry, releases, _) = try await site(4)
        let policy = RolloutPolicy(waves: [.count(1), .percent(50)])
        let plan = try await registry.admin.planRollout(request([releases[0].path], policy))
        let rollout = try await registry.admin.startRollout(request([releases[0].path], policy))
        #expect(plan.waves.map(\.devices.count) == [1, 1, 2])
        for (wave, planned) in plan.waves.enumerated() {
            #expect(rollout.devices?.filter { $0.wave == wave }.map(\.device) == planned.devices)
        }
        #expect(rollout.devices?.filter { $0.state == .offered }.count == 1)
        try await registry.stop()
    }

    @Test("A rollout is paused, resumed and aborted, and says no where its state forbids it")
    func steering() async throws {
        let (registry, releases, devices) = try await site()
        let admin = registry.admin
        let rollout = try await admin.startRollout(request([releases[0].path]))
        #expect(try await admin.changeRollout(rollout.id, .pause).state == .paused)
        await expectProblem(409, "rolloutState") { _ = try await admin.changeRollout(rollout.id, .pause) }
        #expect(try await admin.changeRollout(rollout.id, .resume).state == .running)
        #expect(try await admin.changeRollout(rollout.id, .abort).state == .aborted)
        await expectProblem(409, "rolloutState") { _ = try await admin.changeRollout(rollout.id, .resume) }
        let reply = try await registry.call(.post, "/api/v1/rollouts/\(rollout.id)/explode")
        #expect(reply.status == 400)
        _ = devices
        try await registry.stop()
    }

    @Test("Rolling back a rollout empties the slot where it was empty before")
    func backToNothing() async throws {
        let (registry, releases, devices) = try await site()
        let rollout = try await registry.admin.startRollout(request([releases[0].path]))
        _ = try await devices[0].obey(slot)
        #expect(try await registry.admin.rollout(rollout.id).state == .completed)
        let answer = try await registry.admin.rollback(RollbackRequest(rollout: rollout.id))
        #expect(answer.moves.map(\.to) == [[]])
        let assignment = try #require(try await devices[0].poll(wait: .seconds(50)))
        #expect(assignment.slots.isEmpty)
        try await registry.stop()
    }

    @Test("A newer rollout takes a slot over; the older one says so and lets go")
    func superseding() async throws {
        let (registry, releases, devices) = try await site()
        let old = try await registry.admin.startRollout(request([releases[0].path]))
        let new = try await registry.admin.startRollout(request([releases[1].path]))
        let info = try await registry.admin.rollout(old.id)
        #expect(info.devices?.map(\.state) == [.superseded])
        #expect(info.devices?.first?.message?.contains(new.id.text) == true)
        let assignment = try #require(try await devices[0].poll(wait: .seconds(50)))
        #expect(assignment.slots[slot]?.releases.map(\.path) == [releases[1].path])
        try await registry.stop()
    }

    @Test("A rollback by hand goes to each device's previous release, or where it is told, and names who has none")
    func rollback() async throws {
        let (registry, releases, devices) = try await site(2)
        let admin = registry.admin
        await expectProblem(400, "badRequest") { _ = try await admin.rollback(RollbackRequest()) }
        await expectProblem(400, "badRequest") {
            _ = try await admin.rollback(RollbackRequest(device: devices[0].name))
        }
        let one = try await admin.startRollout(request([releases[0].path]))
        for device in devices { _ = try await device.obey(slot) }
        #expect(try await admin.rollout(one.id).state == .completed)
        // Nothing before the first release.
        let none = try await admin.rollback(RollbackRequest(device: devices[0].name))
        #expect(none.moves.isEmpty && none.skipped[devices[0].name] != nil)
        _ = try await admin.startRollout(request([releases[1].path]))
        for device in devices { _ = try await device.obey(slot, before: [releases[0].path]) }
        let byRelease = try await admin.rollback(RollbackRequest(release: releases[1].path, reason: "drill"))
        #expect(byRelease.moves.count == 2 && byRelease.moves.allSatisfy { $0.to == [releases[0].path] })
        let told = try await admin.rollback(
            RollbackRequest(device: devices[1].name, slot: slot, to: releases[1].path))
        #expect(told.moves.map(\.to) == [[releases[1].path]])
        await expectProblem(404, "unknownDevice") {
            _ = try await admin.rollback(RollbackRequest(device: try DeviceID("nobody"), slot: slot))
        }
        await expectProblem(404, "unknownRelease") {
            _ = try await admin.rollback(
                RollbackRequest(device: devices[1].name, slot: slot, to: try ReleasePath("clinic/triage/7.0.0")))
        }
        try await registry.stop()
    }

    @Test("A device that is removed leaves its rollout, which goes on without it")
    func removed() async throws {
        let (registry, releases, devices) = try await site(2)
        let rollout = try await registry.admin.startRollout(request([releases[0].path]))
        try await registry.admin.deleteDevice(devices[0].name)
        _ = try await devices[1].obey(slot)
        let info = try await registry.admin.rollout(rollout.id)
        #expect(info.state == .completed, "\(info.reason)")
        #expect(info.devices?.first { $0.device == devices[0].name }?.code == "deviceGone")
        try await registry.stop()
    }

    @Test("Time passes in a rollout: a device that is never heard of is given up")
    func deadline() async throws {
        let (registry, releases, _) = try await site()
        let rollout = try await registry.admin.startRollout(
            request([releases[0].path], RolloutPolicy(deviceDeadlineSeconds: 60)))
        registry.clock.advance(by: .seconds(61))
        var state = RolloutState.running
        for _ in 0..<1200 where state == .running {
            state = try await registry.admin.rollout(rollout.id).state
            try await Task.sleep(for: .milliseconds(50))
        }
        let info = try await registry.admin.rollout(rollout.id)
        #expect(info.devices?.map(\.state) == [.unreachable], "\(info.reason)")
        try await registry.stop()
    }

    @Test("A repeated write with the same key is done once, and another under that key is refused")
    func idempotency() async throws {
        let (registry, releases, _) = try await site()
        let api = registry.admin.api
        let body = request([releases[0].path])
        let first = try await api.send(
            OperatorRoutes.startRollout, body: body, idempotencyKey: "key-1", as: RolloutInfo.self)
        let second = try await api.send(
            OperatorRoutes.startRollout, body: body, idempotencyKey: "key-1", as: RolloutInfo.self)
        #expect(first.id == second.id)
        await expectProblem(422, "idempotencyMismatch") {
            _ = try await api.send(
                OperatorRoutes.startRollout, body: request([releases[1].path]), idempotencyKey: "key-1",
                as: RolloutInfo.self)
        }
        #expect(try await registry.admin.rollouts().count == 1)
        try await registry.stop()
    }

    @Test("Lists come page by page without a gap")
    func pages() async throws {
        let (registry, _, _) = try await site(5)
        var names: [String] = []
        var cursor: String?
        repeat {
            var query = ["limit": "2"]
            query["cursor"] = cursor
            let page = try await registry.admin.api.get(OperatorRoutes.devices, query: query, as: Page<DeviceInfo>.self)
            #expect(page.items.count <= 2)
            names += page.items.map(\.device.text)
            cursor = page.next
        } while cursor != nil
        #expect(names == (0..<5).map { "box-\($0)" })
        for (target, status) in [
            ("/api/v1/devices?limit=0", 400), ("/api/v1/devices?limit=501", 400), ("/api/v1/devices?cursor=%2F", 400),
            ("/api/v1/devices?selector=%28", 400), ("/api/v1/releases?repository=x", 400),
            ("/api/v1/audit?cursor=x", 400),
        ] {
            #expect(try await registry.call(.get, target).status == status, "\(target)")
        }
        try await registry.stop()
    }
}
