import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine
import TestSupport
import Testing
import Trust

@testable import RegistryServer

/// What moves thousands of devices answers after its first step; the leader makes the others.
@Suite("Bounded steps")
struct BoundedStepTests {
    private typealias Site = RolloutLeaderTests.Site
    private static let step = RolloutLimits.commandsPerStep

    private func assigned(_ site: Site) async throws -> Int {
        try await site.moves().values.filter { $0 > 0 }.count
    }

    private func settle(_ leader: RolloutLeader) async throws -> Int {
        var rounds = 1
        while try await leader.tick() { rounds += 1 }
        return rounds
    }

    @Test("A start answers after its first step; the leader makes the others, one transaction each, each device once")
    func start() async throws {
        let count = 3 * Self.step + 10
        let site = try await Site(devices: count, replicas: 1)
        let id = try await site.start(RolloutPolicy(soakSeconds: 0))
        #expect(try await assigned(site) == Self.step)
        let leader = RolloutLeader(rollouts: site.replicas[0], owner: "replica-0")
        #expect(try await leader.tick(), "there is more to do at once")
        #expect(try await assigned(site) == 2 * Self.step)
        #expect(try await settle(leader) == 2)
        #expect(Set(try await site.moves().values) == [1])
        let run = try await site.row(id).run
        #expect(run.inFlight == count && run.members.allSatisfy { $0.generation == 1 })

        // Asked for whole it is sums and some devices; all of them are there by page.
        let info = try await site.replicas[0].rollout(id, within: .everything)
        #expect(info.devices?.count == ServerLimits.rolloutDevicesShown && info.counts["offered"] == count)
        #expect(info.devicesLeft == count - ServerLimits.rolloutDevicesShown)
        var names: [DeviceID] = []
        var last: Int64?
        repeat {
            let page = try await site.replicas[0].devices(
                of: id, in: .offered, after: last, limit: 300, within: .everything)
            names += page.items.map(\.device)
            last = page.next.flatMap { Int64($0) }
        } while last != nil
        #expect(names == run.members.map(\.device))
        let none = try await site.replicas[0].devices(of: id, in: .failed, after: nil, limit: 9, within: .everything)
        #expect(none.items.isEmpty && none.next == nil)
    }

    @Test("A leader goes on with what a round left, until another leads")
    func goOn() async throws {
        let site = try await Site(devices: 5 * Self.step, replicas: 2)
        _ = try await site.start(RolloutPolicy(soakSeconds: 0))
        let leader = RolloutLeader(rollouts: site.replicas[0], owner: "replica-0")
        #expect(try await leader.tick())
        #expect(try await leader.goOn())
        #expect(try await assigned(site) == 3 * Self.step)
        // Its lease is over before it goes on, and the other has taken it.
        let now = site.time.now
        try await site.database.write { sql in
            let lease = try LeaseStore(sql).acquire(
                RolloutLeader.lease, owner: "replica-1", for: .seconds(10), now: now + .seconds(11))
            #expect(lease != nil)
        }
        #expect(try await leader.goOn() == false)
        #expect(try await assigned(site) == 3 * Self.step, "who does not lead moves nobody")
        let next = RolloutLeader(rollouts: site.replicas[1], owner: "replica-1")
        #expect(try await next.tick())
        #expect(try await next.goOn() == false)
        #expect(Set(try await site.moves().values) == [1])
    }

    @Test("Of many devices those are shown that failed, and those that are at work for longest")
    func shown() throws {
        var now = Timestamp(seconds: 1_800_000_000)
        var run = RolloutRun(
            id: try RolloutID("r-1"), target: [try ReleasePath("clinic/triage/1.0.0")],
            policy: RolloutPolicy(soakSeconds: 0, maxFailures: 1000, maxInFlight: 50),
            members: try (0..<600).map { try DeviceID("box-\($0)") }, seed: "s", now: now)
        var work = run.handle(.start(by: "ann"), now: now)
        var ended = 0
        while ended < 300 {
            if work.isEmpty { work = run.handle(.tick, now: now) }
            guard case .assign(let device) = work.removeFirst() else { continue }
            work += run.handle(.assigned(device, generation: 1), now: now)
            now = now + .seconds(1)
            ended += 1
            let state: DeviceRolloutState = ended.isMultiple(of: 2) ? .succeeded : .failed
            work += run.handle(
                .reported(.init(device: device, generation: 1, state: state, code: "downloadFailed")), now: now)
        }
        let shown = ShownMembers(run.members, now: now)
        #expect(shown.members.count == ServerLimits.rolloutDevicesShown && shown.left == 400)
        #expect(shown.members.count { $0.isInFlight } == run.inFlight)
        #expect(shown.members.count { $0.state == .failed } == 150)
        #expect(shown.endedLately == 300)
        #expect(ShownMembers(Array(run.members.prefix(200)), now: now).left == 0)
    }

    @Test("Another replica goes on where the one that started a rollout, and then took it back, died")
    func takeOver() async throws {
        let count = 2 * Self.step + 10
        let site = try await Site(devices: count)
        let id = try await site.start(RolloutPolicy(soakSeconds: 0))
        let other = RolloutLeader(rollouts: site.replicas[1], owner: "replica-1")
        _ = try await settle(other)
        #expect(Set(try await site.moves().values) == [1])
        let answer = try await site.replicas[0].rollback(
            RollbackRequest(rollout: id, reason: "drill"), by: "ann", within: .everything)
        #expect(answer.moves.count == Self.step && answer.following == Self.step + 10)
        #expect(Set(answer.moves.map(\.device)).count == Self.step)
        _ = try await settle(other)
        let run = try await site.row(id).run
        #expect(run.header.state == .rollingBack && run.toTakeBack == 0)
        #expect(Set(try await site.moves().values) == [2])
    }

    /// A site whose devices all run the second of two releases, assigned by hand.
    private func twoReleases(_ count: Int) async throws -> (Site, [ReleasePath]) {
        let site = try await Site(devices: count)
        let second = try ReleasePath("clinic/triage/2.0.0")
        let (slot, first, now) = (site.slot, site.path, site.time.now)
        try await site.database.write { sql in
            try ReleaseStore(sql).publish(
                ReleaseRow(path: second, kind: .model, indexDigest: Digest.of([2]), length: 300, published: now),
                objects: [])
            try FleetStore(sql).put(
                FleetRow(name: try FleetName("all"), selector: try LabelSelector("site=berlin")), now: now)
            let devices = try DeviceStore(sql).members(of: try LabelSelector("site=berlin")).map(\.device)
            for path in [first, second] {
                try AssignmentStore(sql).setDesired(
                    devices.map {
                        DesiredMove(
                            device: $0, slot: slot, desired: DesiredSlot(releases: [path]), actor: "ann", reason: "")
                    }, now: now)
            }
        }
        return (site, [first, second])
    }

    private func desired(_ site: Site) async throws -> [DeviceID: [ReleasePath]] {
        let slot = site.slot
        return try await site.database.read { sql in
            let devices = try DeviceStore(sql).members(of: try LabelSelector("site=berlin")).map(\.device)
            return try devices.reduce(into: [:]) { $0[$1] = try SlotStore(sql).desired($1, slot)?.releases ?? [] }
        }
    }

    @Test("A fleet is taken back in bounded steps that go on after a restart, and a person reads how far it is")
    func fleet() async throws {
        let (site, releases) = try await twoReleases(2 * Self.step + 10)
        let pinned = try DeviceID("box-99")
        let slot = site.slot
        let now = site.time.now
        try await site.database.write {
            try ExemptionStore($0).put(
                ExemptionRow(device: pinned, slot: slot, reason: "a study", actor: "bob", since: now))
        }
        let answer = try await site.replicas[0].rollback(
            RollbackRequest(fleet: try FleetName("all"), reason: "drill"), by: "ann", within: .everything)
        #expect(answer.moves.count == Self.step && answer.following == Self.step + 10)
        let name = try #require(answer.rollback)
        var progress = try await site.replicas[1].rollback(name, within: .everything)
        #expect(progress.moved == Self.step && progress.following == Self.step + 10 && progress.finished == nil)
        // The process that answered is gone; the other goes on.
        let other = RolloutLeader(rollouts: site.replicas[1], owner: "replica-1")
        #expect(try await other.tick())
        #expect(try await other.tick() == false)
        progress = try await site.replicas[1].rollback(name, within: .everything)
        #expect(progress.places == 2 * Self.step + 10 && progress.moved == progress.places - 1)
        #expect(progress.following == 0 && progress.finished != nil && progress.createdBy == "ann")
        #expect(progress.skipped[pinned]?.contains("a study") == true, "\(progress.skipped)")
        let desired = try await desired(site)
        #expect(desired.filter { $0.value == [releases[0]] }.count == desired.count - 1)
        #expect(desired[pinned] == [releases[1]])
        let audit = try await site.database.read { try AuditLog($0).rows().map(\.entry.action) }
        #expect(audit.filter { $0.hasPrefix("rollback") } == ["rollback", "rollback.finish"], "\(audit)")
        await #expect(throws: ServerError.self) {
            try await site.replicas[0].rollback(name, within: Reach(namespaces: ["other"]))
        }
        #expect(try await other.tick() == false)
    }

    @Test("Who moves a device while a rollback is under way keeps it; an older rollout does not get it back")
    func newestWins() async throws {
        let count = 2 * Self.step
        let (site, releases) = try await twoReleases(count)
        let slot = site.slot
        let service = site.replicas[0]
        // A rollout that has not come to most of its devices.
        let rollout = try await service.start(
            RolloutRequest(
                selector: try LabelSelector("site=berlin"), slot: slot, releases: [releases[1]],
                policy: RolloutPolicy(soakSeconds: 0, maxInFlight: 5)), by: "ann", within: .everything)
        let answer = try await service.rollback(
            RollbackRequest(fleet: try FleetName("all"), slot: slot), by: "ann", within: .everything)
        #expect(answer.following == count - Self.step)
        let left = try await site.database.read { try RollbackStore($0).waiting(slot: slot).keys.sorted() }
        let moved = try #require(left.first)
        try await service.drive { driver in
            try driver.move(
                [
                    DesiredMove(
                        device: moved, slot: slot, desired: DesiredSlot(releases: [releases[1]]), actor: "bob",
                        reason: "by hand")
                ], by: "bob")
        }
        _ = try await settle(RolloutLeader(rollouts: service, owner: "replica-0"))
        let run = try await site.row(rollout.id).run
        #expect(run.inFlight == 0 && run.header.state.isFinal, "\(run.counts) \(run.header.reason)")
        let desired = try await desired(site)
        #expect(desired[moved] == [releases[1]])
        #expect(desired.filter { $0.value == [releases[0]] }.count == count - 1)
    }
}
