import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine
import Synchronization
import TestSupport
import Testing
import Trust

@testable import RegistryServer

/// Two replicas over one database: each has a connection and a memory of its own.
@Suite("Several replicas")
struct RolloutLeaderTests {
    final class TestTime: Sendable {
        private let value = Mutex(Timestamp(seconds: 1_800_000_000))
        var now: Timestamp { value.withLock { $0 } }
        func advance(_ seconds: Int64) { value.withLock { $0 = $0 + .seconds(seconds) } }
    }

    struct Site {
        let folder: TemporaryFolder
        let time = TestTime()
        let slot: SlotName
        let path: ReleasePath
        let replicas: [RolloutService]
        var database: any Database { replicas[0].core.database }

        init(devices: Int, replicas count: Int = 2) async throws {
            folder = try TemporaryFolder("replicas")
            slot = try SlotName("triage")
            path = try ReleasePath("clinic/triage/1.0.0")
            let data = DataFolder(path: folder.file("data"))
            try data.create()
            let keyring = try OnlineKeyring.open(data, now: time.now)
            let clock = time
            var services: [RolloutService] = []
            for _ in 0..<count {
                let database = try SQLiteDatabase(path: data.database)
                if services.isEmpty {
                    _ = try await Migrator(try Migration.shipped()).run(on: database, now: clock.now)
                }
                services.append(
                    RolloutService(
                        core: RegistryCore(
                            database: database, blobs: try FileBlobStore(folder: data.path), keyring: keyring,
                            clock: { clock.now }, logger: Logger(label: "test"), changes: ChangeHub(),
                            presence: Presence(clock: { clock.now }), metrics: RequestMetrics(),
                            deviceCertificateLife: .seconds(86_400), requiresApproval: false)))
            }
            replicas = services
            try await fill(devices)
        }

        private func fill(_ devices: Int) async throws {
            let now = time.now
            let path = path
            try await database.write { sql in
                let release = ReleaseRow(
                    path: path, kind: .model, indexDigest: Digest.of([1]), length: 300, published: now)
                try ReleaseStore(sql).publish(release, objects: [])
                for number in 0..<devices {
                    let name = "box-\(number)"
                    try DeviceStore(sql).enrol(
                        try DeviceID(name), labels: try Labels(["site": "berlin"]),
                        certificate: DeviceCertificate(
                            fingerprint: Digest.of(Array(name.utf8)).hex, issued: now, expires: now + .seconds(86_400)),
                        journal: try JournalID(Digest.of(Array(name.utf8)).hex.prefix(32).lowercased()), now: now)
                }
            }
        }

        func start(_ policy: RolloutPolicy, on replica: Int = 0) async throws -> RolloutID {
            try await replicas[replica].start(
                RolloutRequest(
                    selector: try LabelSelector("site=berlin"), slot: slot, releases: [path], policy: policy),
                by: "ann", within: .everything
            ).id
        }

        func row(_ id: RolloutID) async throws -> RolloutRow {
            let row = try await database.read { try RolloutStore($0).find(id) }
            return try #require(row)
        }

        /// How often each device was moved.
        func moves() async throws -> [DeviceID: Int] {
            try await database.read { sql in
                var moves: [DeviceID: Int] = [:]
                for device in try DeviceStore(sql).members(of: try LabelSelector("site=berlin")) {
                    moves[device.device] = try AssignmentStore(sql).history(of: device.device).count
                }
                return moves
            }
        }

        /// Every device that is at work says how it came out, to either replica in turn.
        func report(_ state: DeviceRolloutState, _ id: RolloutID, to replicas: [RolloutService]) async throws {
            let members = try await row(id).run.members.filter(\.isInFlight)
            for (number, member) in members.enumerated() {
                guard let generation = member.generation else { continue }
                let event = RolloutEvent.reported(
                    .init(device: member.device, generation: generation, state: state))
                try await replicas[number % replicas.count].drive { try $0.tell(event, id) }
            }
        }
    }

    @Test("One leads, the other takes over when it dies in the middle; nothing is done twice")
    func failover() async throws {
        let site = try await Site(devices: 12)
        let leaders = site.replicas.enumerated().map { RolloutLeader(rollouts: $1, owner: "replica-\($0)") }
        let id = try await site.start(
            RolloutPolicy(
                waves: [.count(3)], soakSeconds: 0, maxInFlight: 2, rate: RolloutRate(perMinute: 60),
                deviceDeadlineSeconds: 3600))
        var dead: Set<Int> = []
        for round in 0..<60 {
            // The first leader dies after some rounds, without giving its lease back; later the second does.
            if round == 5 { dead = [0] }
            if round == 30 { dead = [1] }
            for (number, leader) in leaders.enumerated() where !dead.contains(number) { try await leader.tick() }
            try await site.report(.succeeded, id, to: site.replicas)
            site.time.advance(round == 5 || round == 30 ? 11 : 1)
        }
        let row = try await site.row(id)
        #expect(row.run.header.state == .completed, "\(row.run.header.reason)")
        #expect(row.run.succeeded == 12)
        #expect(Set(try await site.moves().values) == [1])
        let decisions = try await site.database.read { try RolloutStore($0).decisions(id).map(\.action) }
        #expect(decisions.filter { $0 == .start }.count == 1 && decisions.filter { $0 == .startWave }.count == 2)
        #expect(decisions.filter { $0 == .complete }.count == 1, "\(decisions)")
    }

    @Test("A leader that was overtaken while it worked writes nothing")
    func fenced() async throws {
        let site = try await Site(devices: 1)
        let id = try await site.start(RolloutPolicy(deviceDeadlineSeconds: 60))
        let late = try await site.replicas[0].core.database.write { sql in
            try LeaseStore(sql).acquire(RolloutLeader.lease, owner: "replica-0", for: .seconds(10), now: site.time.now)
        }
        let lease = try #require(late)
        site.time.advance(61)
        try await RolloutLeader(rollouts: site.replicas[1], owner: "replica-1").tick()
        let before = try await site.row(id)
        #expect(before.run.members.map(\.state) == [.unreachable])
        await #expect(throws: StoreError(.leaseLost, "")) {
            try await site.replicas[0].drive { driver in
                try LeaseStore(driver.sql).check(lease)
                try driver.tell(.abort(by: "late", reason: ""), id)
            }
        }
        let after = try await site.row(id)
        #expect(after.version == before.version && after.run == before.run)
    }

    @Test("What one replica has in memory is not used once the other has written")
    func memory() async throws {
        let site = try await Site(devices: 4)
        let id = try await site.start(RolloutPolicy(soakSeconds: 0))
        for round in 0..<4 {
            let member = try #require(try await site.row(id).run.members.first(where: \.isInFlight))
            let event = RolloutEvent.reported(
                .init(device: member.device, generation: member.generation ?? 0, state: .succeeded))
            try await site.replicas[round % 2].drive { try $0.tell(event, id) }
        }
        let run = try await site.row(id).run
        #expect(run.header.state == .completed, "\(run.counts) \(run.header.phase) \(run.header.reason)")
    }

    @Test("A transaction that is undone leaves nothing behind in memory")
    func undone() async throws {
        struct Undo: Error {}
        let site = try await Site(devices: 2)
        let id = try await site.start(RolloutPolicy(soakSeconds: 0))
        let before = try await site.row(id)
        await #expect(throws: Undo.self) {
            try await site.replicas[0].drive { driver in
                try driver.tell(.pause(by: "ann", reason: ""), id)
                try driver.finish()
                throw Undo()
            }
        }
        try await site.replicas[0].drive { try $0.tell(.tick, id) }
        let after = try await site.row(id)
        #expect(after.run.header.state == .running && after.run.members == before.run.members)
        let shown = try await site.replicas[0].rollout(id, within: .everything)
        #expect(shown.state == .running)
    }
}
