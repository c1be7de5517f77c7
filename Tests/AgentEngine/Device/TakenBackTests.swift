import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import Testing
import Trust

@Suite("A device that has seen a yank or a floor")
struct DeviceTakenBackTests {
    private func refusal(_ device: DeviceFixture, _ release: AssignedRelease, isBefore: Bool = false) async -> String? {
        do {
            try await device.trust.check(release, isBefore: isBefore)
            return nil
        } catch {
            return (error as? SlotFailure)?.code ?? "\(error)"
        }
    }

    /// A slot that serves a release.
    private func serving(_ device: DeviceFixture, _ release: AssignedRelease) async throws -> SlotRecord {
        let installer = device.installer()
        let plan = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        _ = try await installer.fetch(plan)
        var record = SlotRecord(slot: device.slot)
        record.current = try await installer.stage(plan).record
        record.phase = .committed
        try await device.store.journal.save(record, transition: nil)
        return record
    }

    private func look(_ device: DeviceFixture) async throws -> [TakenBack.Refusal] {
        try await device.trust.refresh()
        return try await device.trust.lookForTakenBack(try await device.store.journal.slots())
    }

    /// What a rotation of snapshot's and timestamp's keys lets a client forget (TUF 1.0 section 5.3.11).
    private func forgetMetadata(_ device: DeviceFixture) throws {
        for role in ["timestamp", "snapshot", "targets"] { try device.store.metadata.remove(role) }
    }

    /// The same device after a restart of its agent.
    private func restartedTrust(_ device: DeviceFixture) throws -> TrustKeeper {
        try TrustKeeper(store: device.store, link: device.link, clock: device.clock)
    }

    @Test("refuses a yanked release that older metadata shows again, also after a restart")
    func yankIsRemembered() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let before = device.registry.version
        _ = try await serving(device, release)
        try device.registry.yank("clinic/triage/1.0.0")
        #expect(try await look(device).map(\.code) == ["yanked"])
        #expect(try await look(device).isEmpty, "it is told once")
        try forgetMetadata(device)
        device.registry.replay(before)
        let trust = try restartedTrust(device)
        for isBefore in [false, true] {
            await #expect(throws: SlotFailure(.final, code: "yanked", message: Self.withdrawn)) {
                try await trust.check(release, isBefore: isBefore)
            }
        }
        #expect(await refusal(device, release, isBefore: true) == "yanked")
        await device.close()
    }

    private static let withdrawn = "clinic/triage:1.0.0 was withdrawn by its publisher."

    @Test("takes it again once its publisher has signed it anew")
    func signedAgain() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        _ = try await serving(device, release)
        try device.registry.yank("clinic/triage/1.0.0")
        _ = try await look(device)
        #expect(await refusal(device, release) == "yanked")
        try device.registry.restore(release)
        #expect(await refusal(device, release) == nil)
        #expect(device.store.takenBack.current == TakenBack())
        await device.close()
    }

    @Test(
        "refuses what is below its floor, also without the registry and where older metadata is shown"
    )
    func floorIsRemembered() async throws {
        let device = try await DeviceFixture()
        let old = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let new = try device.registry.publish(TestRelease("clinic/triage/1.4.0"))
        let before = device.registry.version
        var record = try await serving(device, old)
        #expect(await refusal(device, old) == nil)
        try device.registry.floor("clinic/triage", "1.4.0", number: 1)
        #expect(await refusal(device, old) == "belowFloor")
        #expect(await refusal(device, new) == nil)
        // Its generation is on the disk, and would need nothing from anywhere.
        device.registry.isAway = true
        record.previous = record.current
        await #expect(throws: SlotFailure.self) {
            _ = try await device.installer().plan(device.target(old, generation: 9), record: record)
        }
        device.registry.isAway = false
        try forgetMetadata(device)
        device.registry.replay(before)
        let trust = try restartedTrust(device)
        await #expect(throws: SlotFailure.self) { try await trust.check(old, isBefore: true) }
        try await trust.check(new)
        await device.close()
    }

    @Test("follows a floor that its publisher lowers, and none that is only older")
    func lowered() async throws {
        let device = try await DeviceFixture()
        let old = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try device.registry.floor("clinic/triage", "1.4.0", number: 2)
        #expect(await refusal(device, old) == "belowFloor")
        try device.registry.floor("clinic/triage", "0.5.0", number: 1)
        #expect(await refusal(device, old) == "belowFloor")
        try device.registry.floor("clinic/triage", "0.5.0", number: 3)
        #expect(await refusal(device, old) == nil)
        await device.close()
    }

    @Test("does not install what was yanked a moment ago, though its metadata on the disk is still valid")
    func momentAgo() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await device.trust.check(release)
        try device.registry.yank("clinic/triage/1.0.0")
        #expect(await refusal(device, release) == "notPublished")
        await device.close()
    }

    @Test("ends an installation at its last step where the yank comes in between")
    func inBetween() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let installer = device.installer()
        let plan = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        var record = SlotRecord(slot: device.slot)
        record.phase = .fetching
        record.target = device.target(release)
        record.planned = plan.blobs
        try await device.store.journal.save(record, transition: nil)
        _ = try await installer.fetch(plan)
        try device.registry.yank("clinic/triage/1.0.0")
        #expect(try await look(device).map(\.code) == ["yanked"])
        await #expect(throws: SlotFailure.self) { _ = try await installer.stage(plan) }
        await device.close()
    }
}
