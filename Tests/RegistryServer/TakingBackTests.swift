import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import Testing
import Trust

@Suite("Taking releases back")
struct TakingBackTests {
    private let slot: SlotName
    private let everyone: LabelSelector

    init() throws {
        slot = try SlotName("triage")
        everyone = try LabelSelector("site=berlin")
    }

    private func site(_ versions: String...) async throws -> (RegistryFixture, [ReleasePath]) {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        var paths: [ReleasePath] = []
        for version in versions { paths.append(try await registry.publish("clinic/triage/\(version)").path) }
        return (registry, paths)
    }

    private func start(_ path: ReleasePath, at registry: RegistryFixture) async throws -> RolloutID {
        try await registry.admin.startRollout(
            RolloutRequest(selector: everyone, slot: slot, releases: [path], policy: RolloutPolicy(soakSeconds: 0))
        ).id
    }

    /// Signs a floor as the publisher's command does.
    private func floor(
        _ version: String, _ number: Int64, at registry: RegistryFixture, repository: String = "clinic/triage",
        changing: (inout TargetFile) -> Void = { _ in }
    ) async throws {
        let name = try RepositoryName(repository)
        var target = try ReleaseFloor(version: try SemanticVersion(version), number: number, reason: "wrong doses")
            .target(for: name)
        changing(&target)
        let (role, bytes) = try await registry.signed(.add(path: ReleaseFloor.path(of: name), file: target))
        _ = try await registry.admin.putRole(role, bytes: bytes)
    }

    @Test("A release that is blocked is offered to nobody who does not run it yet, at once")
    func blockedOffer() async throws {
        let (registry, paths) = try await site("1.0.0", "2.0.0")
        let (running, waiting, fresh) = (
            try await SimulatedDevice("box-1", at: registry), try await SimulatedDevice("box-2", at: registry),
            try await SimulatedDevice("box-3", at: registry)
        )
        _ = try await start(paths[0], at: registry)
        for device in [running, waiting] { _ = try await device.obey(slot) }
        let rollout = try await start(paths[1], at: registry)
        _ = try await running.obey(slot, before: [paths[0]])
        let info = try await registry.admin.block(BlockRequest(path: paths[1], blocked: true, reason: "it lies"))
        #expect(info.state == .blocked && info.reason == "it lies")
        #expect(info.takenBack?.devices == 1 && info.takenBack?.instead == paths[0])
        // What the one device had comes back under a new number; the other had nothing, and is offered nothing.
        #expect(try await waiting.poll()?.slots[slot]?.releases.map(\.path) == [paths[0]])
        let offered = try await fresh.poll()?.slots[slot]?.releases.map(\.path) ?? []
        #expect(!offered.contains(paths[1]))
        // The one that runs it is left alone.
        #expect(try await running.poll(above: 0)?.slots[slot]?.releases.map(\.path) == [paths[1]])
        let paused = try await registry.admin.rollout(rollout)
        #expect(paused.state != .running, "no further wave offers it: \(paused.state) \(paused.reason)")
        try await registry.stop()
    }

    @Test("A yank keeps its reason when the release is blocked too, and the status names who runs it")
    func reasons() async throws {
        let (registry, paths) = try await site("1.0.0", "2.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        _ = try await registry.admin.putFleet(Fleet(name: try FleetName("berlin"), selector: everyone))
        _ = try await start(paths[1], at: registry)
        _ = try await device.obey(slot)
        let (role, bytes) = try await registry.signed(.remove(path: paths[1].text))
        _ = try await registry.admin.putRole(role, bytes: bytes)
        let before = try await registry.admin.release(paths[1]).reason
        _ = try await registry.admin.block(BlockRequest(path: paths[1], blocked: true, reason: "another"))
        let info = try await registry.admin.release(paths[1])
        #expect(info.state == .yanked && info.reason == before && before?.contains("publisher") == true)
        let use = try #require(try await registry.admin.status().takenBack.first)
        #expect(use.path == paths[1] && use.state == .yanked && use.devices == 1)
        #expect(use.fleets == [try FleetName("berlin"): 1])
        #expect(use.suggestion == "martlet rollback --release clinic/triage:2.0.0 --to clinic/triage:1.0.0")
        try await registry.stop()
    }

    @Test("Below a floor nothing is rolled out or gone back to, and what runs there is named")
    func floorHolds() async throws {
        let (registry, paths) = try await site("1.0.0", "1.4.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        _ = try await start(paths[0], at: registry)
        _ = try await device.obey(slot)
        _ = try await start(paths[1], at: registry)
        _ = try await device.obey(slot, before: [paths[0]])
        try await floor("1.4.0", 1, at: registry)
        #expect(try await registry.admin.release(paths[0]).floor?.text == "1.4.0")
        #expect(try await registry.admin.status().takenBack.isEmpty, "nobody runs what is below it")
        await expectProblem(409, "belowFloor") { _ = try await start(paths[0], at: registry) }
        await expectProblem(409, "belowFloor") {
            _ = try await registry.admin.rollback(RollbackRequest(release: paths[1], to: paths[0], reason: ""))
        }
        let rows = try await registry.admin.audit().count
        let answer = try await registry.admin.rollback(RollbackRequest(device: device.name, reason: ""))
        #expect(answer.moves.isEmpty && answer.skipped[device.name]?.contains("below 1.4.0") == true)
        #expect(try await registry.admin.audit().count == rows, "what moved nobody is no change of state")
        try await floor("1.6.0", 2, at: registry)
        let use = try #require(try await registry.admin.status().takenBack.first)
        #expect(use.path == paths[1] && use.floor?.text == "1.6.0" && use.instead == nil && use.suggestion == nil)
        try await registry.stop()
    }

    @Test("A floor that is old, removed, malformed or of nothing is refused")
    func floorRefusals() async throws {
        let (registry, _) = try await site("1.0.0")
        try await floor("0.9.0", 2, at: registry)
        await expectProblem(409, "floorOutdated") { try await floor("0.5.0", 2, at: registry) }
        await expectProblem(409, "floorOutdated") { try await floor("0.5.0", 1, at: registry) }
        await expectProblem(422, "invalidValue") {
            try await floor("0.5.0", 3, at: registry) { $0.custom = nil }
        }
        await expectProblem(422, "invalidValue") { try await floor("0.5.0", 3, at: registry) { $0.length += 1 } }
        await expectProblem(422, "unknownRepository") {
            try await floor("0.5.0", 1, at: registry, repository: "clinic/nothing")
        }
        await expectProblem(422, "floorRemoved") {
            let (role, bytes) = try await registry.signed(.remove(path: "clinic/triage/floor"))
            _ = try await registry.admin.putRole(role, bytes: bytes)
        }
        try await floor("0.5.0", 3, at: registry)
        #expect(try await registry.admin.release(try ReleasePath("clinic/triage/1.0.0")).floor?.text == "0.5.0")
        try await registry.stop()
    }
}
