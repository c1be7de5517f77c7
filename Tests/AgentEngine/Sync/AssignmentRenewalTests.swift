import AgentStore
import Logging
import MartletTypes
import TUF
import Testing
import Trust

@testable import AgentEngine

@Suite("An assignment that ends before its installation does")
struct AssignmentRenewalTests {
    private let now = SlotFixtures.start

    private func record(_ phase: SlotPhase, hours: Int64) throws -> SlotRecord {
        var record = SlotRecord(slot: try SlotFixtures.slot())
        record.phase = phase
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.target?.expires = now + .seconds(hours * 3600)
        return record
    }

    @Test("is asked for anew while the slot is not at rest, and no fleet asks at one moment")
    func due() throws {
        let (early, late) = (AssignmentRenewal(random: 1), AssignmentRenewal(random: 0))
        let table: [(SlotPhase, Int64, early: Bool, late: Bool)] = [
            (.offered, 23, false, false), (.offered, 11, true, false), (.offered, 5, true, true),
            (.offered, -72, true, true), (.waiting, 5, true, true), (.fetching, 5, true, true),
            (.soaking, 5, true, true), (.committed, -72, false, false), (.failed, -72, false, false),
            (.idle, -72, false, false),
        ]
        for (phase, hours, isEarly, isLate) in table {
            let slots = [try record(phase, hours: hours)]
            #expect(early.isDue(slots, isTakenUp: true, now: now) == isEarly, "\(phase) with \(hours) h left")
            #expect(late.isDue(slots, isTakenUp: true, now: now) == isLate, "\(phase) with \(hours) h left")
            #expect(late.isDue(slots, isTakenUp: false, now: now), "what was not taken up is always needed")
        }
        var local = try record(.waiting, hours: -1)
        local.override = SlotOverride(generation: 2, code: "offlineInstall", message: "", time: now)
        #expect(!early.isDue([local], isTakenUp: true, now: now), "no registry signs what was decided on the box")
    }

    @Test("is asked for once in ten minutes, whatever the answer")
    func paced() throws {
        var renewal = AssignmentRenewal(random: 0)
        let slots = [try record(.waiting, hours: -1)]
        let start = ContinuousClock.now
        #expect(renewal.isDue(slots, isTakenUp: true, now: now, at: start))
        renewal.asked(at: start)
        #expect(!renewal.isDue(slots, isTakenUp: false, now: now, at: start + .seconds(599)))
        #expect(renewal.isDue(slots, isTakenUp: true, now: now, at: start + .seconds(600)))
    }

    // MARK: On a device

    private func syncing(_ device: DeviceFixture, _ body: () async throws -> Void) async throws {
        let agent = device.agent()
        let sync = AssignmentSync(
            store: device.store, link: device.link, trust: device.trust, clock: device.clock, agent: agent,
            logger: AgentLog.silent)
        let following = Task { try await sync.run() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await running(agent, body))
        } catch {
            result = .failure(error)
        }
        following.cancel()
        _ = await following.result
        try result.get()
    }

    /// Gives polls below `number` the assignment, signed for so many hours from now on.
    private func offer(_ device: DeviceFixture, _ release: AssignedRelease, number: Int64, hours: Int64) throws {
        let target = device.target(release, generation: number)
        let assignment = device.assignment(
            number: number, slots: [device.slot: target.assignment],
            expires: device.clock.now + .seconds(hours * 3600))
        device.registry.offer(try assignment.signed(by: [device.registry.director]).encoded(), number: number)
    }

    /// How often an assignment was asked for above a number.
    private func asked(_ device: DeviceFixture, above number: Int64) -> Int {
        device.registry.seen.count { "\($0.target)&".contains("number=\(number)&") }
    }

    @Test("An installation that could not begin for days goes on by the same number, signed anew, without a pause")
    func goesOn() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        // Without its index nothing is planned.
        let index = try #require(device.registry.remove(release.indexDigest))
        try offer(device, release, number: 3, hours: 24)
        try await syncing(device) {
            try await device.eventually("it waits") { $0.phase == .waiting }
            #expect(asked(device, above: 2) == 0)
        }
        device.registry.restore(release.indexDigest, index)
        // Its time is over, as after days without power.
        var record = try #require(try await device.record())
        record.target?.expires = device.clock.now - .seconds(1)
        record.failedTry = SlotOverride(
            generation: 3, code: "assignmentExpired", message: "It is over.", time: device.clock.now)
        record.retryAt = device.clock.now + .seconds(600)
        record.pauseMilliseconds = 600_000
        try await device.store.journal.save(record, transition: nil, reports: [])
        try device.store.files.remove(device.store.layout.assignment)
        try offer(device, release, number: 3, hours: 24)
        try await syncing(device) {
            let next = try await device.eventually("it goes on") { $0.failedTry?.code != "assignmentExpired" }
            #expect(next.target?.number == 3)
            #expect((next.target?.expires ?? device.clock.now) > device.clock.now + .seconds(23 * 3600))
        }
        #expect(asked(device, above: 2) == 1, "once")
        await device.close()
    }

    @Test("A device at rest never asks for what it has, whatever time has passed")
    func atRest() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var record = SlotRecord(slot: device.slot)
        record.phase = .failed
        record.target = device.target(release, generation: 3)
        record.target?.expires = device.clock.now - .seconds(86_400 * 30)
        try await device.store.journal.save(record, transition: nil, reports: [])
        try await device.store.journal.raise(.assignmentNumber, to: 3)
        try offer(device, release, number: 3, hours: 24)
        try await syncing(device) {
            try await eventually { device.registry.polls > 5 }
        }
        #expect(asked(device, above: 2) == 0 && asked(device, above: 3) > 5)
        await device.close()
    }

    @Test(
        "An assignment that was accepted just before a crash is asked for where it cannot be taken up from the disk",
        arguments: ["its time is over", "it is damaged", "nobody can vouch for it"])
    func lostInCrash(_ how: String) async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let slots = [device.slot: device.target(release, generation: 3).assignment]
        let kept = device.assignment(number: 3, slots: slots)
        var bytes = try kept.signed(by: [device.registry.director]).encoded()
        if how == "it is damaged" { bytes = Array(bytes.dropLast(9)) }
        try await device.store.accept(assignment: bytes, number: 3)
        if how == "its time is over" { device.system.now = device.system.now + .seconds(2 * 3600) }
        try offer(device, release, number: 3, hours: 24)
        device.registry.isAway = how == "nobody can vouch for it"
        try await syncing(device) {
            if device.registry.isAway {
                try await eventually { device.registry.seen.count > 4 }
                #expect(try await device.record() == nil)
                device.registry.isAway = false
            }
            try await device.eventually("the slot has its target") { $0.target?.number == 3 }
        }
        await device.close()
    }

    private func eventually(_ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while try await !condition(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await condition())
    }
}
