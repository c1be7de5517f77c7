import MartletAPI
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

@testable import AgentEngine
@testable import AgentStore

@Suite("Following the director")
struct AssignmentSyncTests {
    /// Runs the sync while `body` does.
    private func syncing(_ device: DeviceFixture, _ body: () async throws -> Void) async throws {
        let agent = device.agent()
        let problems = DeviceProblems(journal: device.store.journal, clock: device.clock, logger: AgentLog.silent)
        let sync = AssignmentSync(
            store: device.store, link: device.link, trust: device.trust, clock: device.clock, agent: agent,
            logger: .silent, problems: problems)
        let tasks = [Task { try await agent.run() }, Task { try await sync.run() }]
        let result: Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        for task in tasks {
            task.cancel()
            _ = await task.result
        }
        try result.get()
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while try await !condition(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await condition())
    }

    private func accepted(_ device: DeviceFixture) async throws -> Int64 {
        try await device.store.journal.mark(.assignmentNumber)
    }

    /// A device that trusts its registry, and an assignment for it.
    private func assigned(_ number: Int64) async throws -> (DeviceFixture, [UInt8]) {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await device.trust.refresh()
        return (device, try device.assignment(number: number, release).signed(by: [device.registry.director]).encoded())
    }

    @Test("A signed assignment is kept, and its slots set out for it")
    func accepts() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let bytes = try device.assignment(number: 4, release).signed(by: [device.registry.director]).encoded()
        device.registry.offer(bytes, number: 4)
        try await syncing(device) {
            try await until { try await accepted(device) == 4 }
            try await device.eventually("the slot has its target") { $0.target?.number == 4 }
        }
        #expect(try device.store.lastAssignment() == bytes)
        await device.close()
    }

    @Test(
        "What is not for this device, not new, not signed, or over is refused, reported once, and changes nothing",
        arguments: [
            "assignmentForeign", "assignmentOutdated", "assignmentUnsigned", "assignmentExpired", "assignmentMalformed",
        ])
    func refuses(_ code: String) async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await device.store.journal.raise(.assignmentNumber, to: 10)
        let slots = [device.slot: device.target(release).assignment]
        var assignment = device.assignment(number: 11, slots: slots)
        var signer = device.registry.director
        switch code {
        case "assignmentForeign":
            assignment = device.assignment(number: 11, slots: slots, device: try DeviceID("ward-2"))
        case "assignmentOutdated": assignment = device.assignment(number: 9, slots: slots)
        case "assignmentUnsigned": signer = try KeyPair.generate(.ed25519)
        case "assignmentExpired":
            assignment = device.assignment(number: 11, slots: slots, expires: DeviceFixture.now - .seconds(1))
        default: break
        }
        var bytes = try assignment.signed(by: [signer]).encoded()
        if code == "assignmentMalformed" { bytes = Array("{}".utf8) }
        device.registry.offer(bytes, number: 11)
        try await syncing(device) {
            try await until { try await device.reports().contains { $0.code == code } }
            // Asked again and again, it is told once.
            let polls = device.registry.seen.count
            try await until { device.registry.seen.count > polls + 1 }
        }
        #expect(try await device.reports().count { $0.code == code } == 1)
        #expect(try await accepted(device) == 10)
        #expect(try await device.record() == nil)
        await device.close()
    }

    @Test("A director that the owner names anew is followed")
    func newDirector() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await device.trust.refresh()
        let successor = try KeyPair.generate(.ed25519)
        try device.registry.trust(successor)
        device.registry.offer(try device.assignment(number: 1, release).signed(by: [successor]).encoded(), number: 1)
        try await syncing(device) { try await until { try await accepted(device) == 1 } }
        #expect(try await device.reports().allSatisfy { $0.code != "assignmentUnsigned" })
        await device.close()
    }

    @Test("Numbers that a former director used up do not bind the one that the owner names after it")
    func newSeries() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let highest: Int64 = 9_007_199_254_740_000
        let stolen = device.registry.director
        let poisoned = try device.assignment(number: highest, release).signed(by: [stolen]).encoded()
        device.registry.offer(poisoned, number: highest)
        try await syncing(device) { try await until { try await accepted(device) == highest } }
        // A lower number of the same director is refused; with the next one counting begins anew.
        let successor = try KeyPair.generate(.ed25519)
        try device.registry.trust(successor)
        device.registry.offer(
            try device.assignment(number: 7, release).signed(by: [successor]).encoded(), number: 7)
        try await syncing(device) {
            try await until { try await accepted(device) == 7 }
            try await device.eventually("the slot has its target") { $0.target?.number == 7 }
        }
        device.registry.offer(
            try device.assignment(number: 6, release).signed(by: [successor]).encoded(), number: 8)
        try await syncing(device) {
            try await until { try await device.reports().contains { $0.code == "assignmentOutdated" } }
        }
        await device.close()
    }

    @Test("An assignment that was accepted just before a crash is taken up at the next start, without the registry")
    func afterCrash() async throws {
        let (device, bytes) = try await assigned(3)
        try await device.store.accept(assignment: bytes, number: 3)
        device.registry.isAway = true
        try await syncing(device) {
            try await device.eventually("the slot has its target") { $0.target?.number == 3 }
        }
        await device.close()
    }

    /// Writes that come after the number of an assignment is kept, at each of which the disk may be full.
    @Test(
        "An assignment is not lost where the disk is full for a moment", arguments: ["assignmentSigners", "signedTime"])
    func fullDisk(_ fact: String) async throws {
        let (device, bytes) = try await assigned(3)
        let journal = try SQLiteDatabase(path: device.store.layout.journal)
        try journal.execute(
            """
            CREATE TRIGGER full BEFORE INSERT ON fact WHEN NEW.name = '\(fact)'
            BEGIN SELECT RAISE(ABORT, 'no room'); END
            """)
        device.registry.offer(bytes, number: 3)
        try await syncing(device) {
            try await until { device.registry.polls > 2 }
            try journal.execute("DROP TRIGGER full")
            try await device.eventually("the slot has its target") { $0.target?.number == 3 }
        }
        journal.close()
        await device.close()
    }

    @Test("An assignment that was accepted before a start on a full disk is taken up once there is room")
    func fullAtStart() async throws {
        let (device, bytes) = try await assigned(3)
        try await device.store.accept(assignment: bytes, number: 3)
        device.registry.isAway = true
        let journal = try SQLiteDatabase(path: device.store.layout.journal)
        try journal.execute(
            "CREATE TRIGGER full BEFORE INSERT ON fact BEGIN SELECT RAISE(ABORT, 'no room'); END")
        try await syncing(device) {
            let polls = device.registry.seen.count
            try await until { device.registry.seen.count > polls + 1 }
            try journal.execute("DROP TRIGGER full")
            try await device.eventually("the slot has its target") { $0.target?.number == 3 }
        }
        journal.close()
        await device.close()
    }

    @Test("A change of the owner's metadata is followed as soon as the registry tells of it, and each once")
    func trustChange() async throws {
        let device = try await DeviceFixture()
        try await syncing(device) {
            try await until { await device.trust.revision()?.targets == 1 }
            device.registry.tellsTrust = true
            try device.registry.trust(try KeyPair.generate(.ed25519))
            // Long before the refresh that comes by itself.
            try await until { await device.trust.revision()?.targets == 2 }
            // One that the registry tells of and does not show brings one refresh, not one for each poll.
            device.registry.claimsTargets = 77
            let before = device.registry.refreshes
            try await until { device.registry.refreshes > before }
            let polls = device.registry.seen.count
            try await until { device.registry.seen.count > polls + 4 }
            #expect(device.registry.refreshes == before + 1)
        }
        await device.close()
    }

    @Test("A change that is told while the first refresh is under way is followed too")
    func toldEarly() async throws {
        let device = try await DeviceFixture()
        // What the refresh finds is older than what the polls tell that come back meanwhile.
        device.registry.holdTargets(untilPolls: 2)
        device.registry.tellsTrust = true
        device.registry.claimsTargets = 9
        try await syncing(device) {
            try await until { device.registry.refreshes == 2 }
            let polls = device.registry.seen.count
            try await until { device.registry.seen.count > polls + 2 }
            #expect(device.registry.refreshes == 2, "once")
        }
        await device.close()
    }

    @Test("Metadata that cannot be followed is reported once for each cause, also by the next agent, and its end too")
    func metadataProblem() async throws {
        let device = try await DeviceFixture()
        try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        func codes() async throws -> [String] { try await device.reports().compactMap(\.code) }
        try await syncing(device) {
            try await until { await device.trust.versions().timestamp == 2 }
            device.registry.replay(1)
            device.registry.tellsTrust = true
            device.registry.claimsTargets = 9
            try await until { try await codes() == ["metadataRollback"] }
        }
        let refreshes = device.registry.refreshes
        try await syncing(device) {
            // The next agent meets the same, and has reported it already.
            try await until { device.registry.refreshes > refreshes }
            #expect(try await codes() == ["metadataRollback"])
            device.registry.isAway = true
            let polls = device.registry.seen.count
            try await until { device.registry.seen.count > polls + 2 }
            #expect(try await codes() == ["metadataRollback"], "a registry that is away says nothing about it")
            device.registry.isAway = false
            try device.registry.publish(TestRelease("clinic/triage/2.0.0"))
            try await until { try await codes() == ["metadataRollback", "metadataFollowed"] }
        }
        let told = try await device.reports()
        #expect(told.first?.message?.contains("nothing new is installed") == true)
        #expect(told.last?.message?.contains("It began at") == true)
        await device.close()
    }

    @Test("A registry that comes back is followed again")
    func comesBack() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.isAway = true
        let bytes = try device.assignment(number: 1, release).signed(by: [device.registry.director]).encoded()
        device.registry.offer(bytes, number: 1)
        try await syncing(device) {
            try await until { device.registry.seen.count >= 2 }
            device.registry.isAway = false
            try await until { try await accepted(device) == 1 }
        }
        await device.close()
    }
}
