import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine
import TestSupport
import Testing
import Trust

@testable import RegistryServer

/// Devices that come to match the target of rollouts that are open.
@Suite("Late joiners")
struct LateJoinerTests {
    private typealias Site = RolloutLeaderTests.Site

    private func enrol(_ name: String, _ site: Site) async throws -> DeviceID {
        let device = try DeviceID(name)
        let now = site.time.now
        try await site.database.write { sql in
            try DeviceStore(sql).enrol(
                device, labels: try Labels(["site": "berlin"]),
                certificate: DeviceCertificate(
                    fingerprint: Digest.of(Array(name.utf8)).hex, issued: now, expires: now + .seconds(86_400)),
                journal: try JournalID(Digest.of(Array(name.utf8)).hex.prefix(32).lowercased()), now: now)
        }
        return device
    }

    private func offered(_ device: DeviceID, _ site: Site) async throws -> [RolloutID?] {
        try await site.database.read { try AssignmentStore($0).history(of: device).map(\.rollout) }
    }

    @Test("One that joins a paused rollout stands in its last wave, and its turn comes when the rollout goes on")
    func paused() async throws {
        let site = try await Site(devices: 3, replicas: 1)
        let service = site.replicas[0]
        let leader = RolloutLeader(rollouts: service, owner: "replica-0")
        let id = try await site.start(RolloutPolicy(waves: [.count(1)], membership: .dynamic, soakSeconds: 0))
        try await leader.tick()
        try await service.drive { try $0.tell(.pause(by: "ann", reason: ""), id) }
        let late = try await enrol("late-1", site)
        try await leader.tick()
        var member = try #require(try await site.row(id).run.member(late))
        #expect(member.wave == 1 && member.state == .pending)
        try await leader.tick()
        #expect(try await site.row(id).run.members.count == 4, "it joins once")
        try await service.drive { try $0.tell(.resume(by: "ann", reason: ""), id) }
        #expect(try await offered(late, site).isEmpty, "its wave has not begun")
        try await site.report(.succeeded, id, to: [service])
        member = try #require(try await site.row(id).run.member(late))
        #expect(member.state == .offered)
        #expect(try await offered(late, site) == [id])
    }

    @Test("It joins every open rollout, each for its slot; one that is over takes nobody in")
    func several() async throws {
        let site = try await Site(devices: 2, replicas: 1)
        let service = site.replicas[0]
        let leader = RolloutLeader(rollouts: service, owner: "replica-0")
        let everyone = RolloutPolicy(membership: .dynamic, soakSeconds: 0)
        let old = try await site.start(everyone)
        site.time.advance(1)
        let new = try await service.start(
            RolloutRequest(
                selector: try LabelSelector("site=berlin"), slot: try SlotName("other"), releases: [site.path],
                policy: everyone), by: "ann", within: .everything
        ).id
        let late = try await enrol("late-1", site)
        try await leader.tick()
        #expect(try await site.row(old).run.member(late)?.state == .offered, "another slot is another matter")
        #expect(try await site.row(new).run.member(late)?.state == .offered)
        try await site.report(.succeeded, old, to: [service])
        #expect(try await site.row(old).run.header.state == .completed)
        let later = try await enrol("late-2", site)
        try await leader.tick()
        #expect(try await site.row(old).run.member(later) == nil)
        #expect(try await offered(later, site) == [new])
    }
}
