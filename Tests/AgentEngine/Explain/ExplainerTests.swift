import AgentStore
import DeviceProfiles
import Foundation
import Logging
import MartletAPI
import MartletTypes
import TestSupport
import Testing
import Trust

@testable import AgentEngine

@Suite("Explaining slots and releases")
struct ExplainerTests {
    private func explainer(
        _ device: DeviceFixture, policy: LocalPolicy = DeviceFixture.policy, _ slots: [SlotSnapshot] = []
    ) -> Explainer {
        Explainer(
            store: device.store, trust: device.trust, installer: device.installer(policy: policy),
            problems: DeviceProblems(journal: device.store.journal, clock: device.clock, logger: AgentLog.silent),
            snapshots: { slots })
    }

    /// A slot that shall run a release and runs nothing yet.
    private func slot(_ device: DeviceFixture, _ release: AssignedRelease) -> SlotSnapshot {
        var record = SlotRecord(slot: device.slot)
        record.target = device.target(release)
        record.phase = .planning
        return SlotSnapshot(record: record, serving: nil)
    }

    private func registryRefused(_ device: DeviceFixture, _ explanation: Explanation) -> String? {
        explanation.releases.first?.refused?.code
    }

    @Test("A slot's release is weighed as its plan would: verdict, memory and room, by the registry's index or ours")
    func weighed() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let snapshot = slot(device, release)
        let explanation = try await explainer(device, [snapshot]).explain(nil)
        let told = try #require(explanation.slots.first?.releases.first)
        #expect(told.source == "registry" && told.refused == nil)
        let variant = try #require(told.variants.first)
        #expect(variant.verdict == "chosen" && variant.quantization == "Q8_0" && !variant.runs)
        let room = try #require(told.memoryRoom)
        #expect(variant.memory > .zero && variant.memory <= room)
        #expect(try await device.store.blobs.usage() == .zero, "what is looked at is not kept")
        // Planned, its documents are here, and no registry is needed.
        _ = try await device.installer().plan(device.target(release), record: snapshot.record)
        device.registry.isAway = true
        let again = try await explainer(device, [snapshot]).explain("triage")
        #expect(again.slots.first?.releases.first?.source == "device")
        #expect(again.slots.first?.releases.first?.variants == told.variants)
        await device.close()
    }

    @Test("The inventory tells the room that the choice goes by here, so that operators see the same table")
    func roomFromAfar() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var other = SlotRecord(slot: try SlotName("other"))
        other.current = try SlotFixtures.generation(1, "1.0.0", 1)
        other.phase = .committed
        try await device.store.journal.save(other, transition: nil)
        let taken = device.hardware.memory(of: try #require(other.current))
        for (budget, ownMiB) in [(nil, nil), (200, nil), (200, 90), (nil, 90), (1, nil)] as [(Int64?, Int?)] {
            var hardware = device.hardware
            hardware.memoryLimit = budget.map { .mebibytes($0) }
            let installer = device.installer(hardware: hardware)
            var record = SlotRecord(slot: device.slot)
            record.target = device.target(release)
            record.target?.assignment.settings.residency = SlotResidency(memoryMiB: ownMiB)
            record.phase = .planning
            let snapshot = SlotSnapshot(record: record, serving: nil)
            let inventory = try await InventorySource(
                store: device.store, hardware: hardware, memoryRooms: { try await installer.memoryRooms($0) },
                snapshots: { [snapshot] }
            ).inventory()
            let explainer = Explainer(
                store: device.store, trust: device.trust, installer: installer,
                problems: DeviceProblems(journal: device.store.journal, clock: device.clock, logger: AgentLog.silent),
                snapshots: { [snapshot] })
            let here = try #require(try await explainer.explain(nil).slots.first?.releases.first)
            let told = try #require(inventory.slots[device.slot])
            // Free memory is looked at twice; what is fixed is the same.
            let rooms = [told.memoryRoom, told.memoryRoomAlone].compactMap(\.self)
            if let bound = [budget.map { ByteCount.mebibytes($0) }, ownMiB.map { .mebibytes(Int64($0)) }]
                .compactMap(\.self).min()
            {
                let room = try #require(here.memoryRoom)
                #expect(rooms.contains(room), "\(rooms), here \(room)")
                #expect(told.memoryRoomAlone == bound)
                #expect(told.memoryRoom == min(bound, max(.zero, (hardware.modelBudget ?? .zero) - taken)))
                let afar = DeviceExplanation(
                    device: device.device, release: release.path,
                    candidates: here.variants.map {
                        VariantCandidate(
                            name: $0.digest, quantization: $0.quantization, fileSize: $0.fileSize,
                            minMemory: $0.memory, engine: EngineRequirement(name: "llama.cpp"))
                    }, inventory: inventory, profile: hardware.profile, slot: device.slot)
                #expect(afar.variants.map(\.verdict) == here.variants.map(\.verdict) && afar.memoryRoom == room)
            }
            #expect(inventory.memoryRoom != nil && inventory.memoryRoomAlone != nil)
        }
        await device.close()
    }

    @Test("A release that does not fit says which requirement each variant misses, with the numbers")
    func misfit() async throws {
        let device = try await DeviceFixture()
        var large = TestRelease("clinic/triage/2.0.0")
        large.minMemory = ByteCount(1 << 38)
        large.engine = EngineRequirement(name: "llama.cpp", minVersion: try SemanticVersion("99.0.0"))
        try device.registry.publish(large)
        let explanation = try await explainer(device).explain("clinic/triage:2.0.0")
        let told = try #require(explanation.releases.first)
        #expect(told.refused?.code == "noVariantFits", "\(String(describing: told.refused))")
        #expect(told.refused?.remedy.isEmpty == false)
        let variant = try #require(told.variants.first)
        #expect(variant.verdict == "engineTooOld")
        #expect(Set(variant.refusals.map(\.code)) == ["engineTooOld", "notEnoughMemory"])
        #expect(variant.reason.contains("1.0.0") && variant.reason.contains("of memory"))
        await device.close()
    }

    @Test("A release that is not assigned is found by the metadata; without a registry it is said what is missing")
    func unassigned() async throws {
        let device = try await DeviceFixture()
        try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.isAway = true
        let unheard = try await explainer(device).explain("clinic/triage:1.0.0")
        #expect(registryRefused(device, unheard) == "registryNeeded")
        #expect(unheard.releases.first?.refused?.message.contains("never heard") == true)
        device.registry.isAway = false
        let found = try await explainer(device).explain("clinic/triage:1.0.0")
        #expect(found.releases.first?.refused == nil && found.releases.first?.slot == nil)
        #expect(found.releases.first?.variants.first?.verdict == "chosen")
        // Its metadata is here now, its index is not.
        device.registry.isAway = true
        let cached = try await explainer(device).explain("clinic/triage:1.0.0")
        #expect(registryRefused(device, cached) == "registryNeeded")
        #expect(cached.releases.first?.refused?.message.contains("index") == true)
        device.registry.isAway = false
        let absent = try await explainer(device).explain("clinic/triage:9.9.9")
        #expect(registryRefused(device, absent) == "notPublished")
        await device.close()
    }

    @Test("An index that the registry does not show this device is told so")
    func unreadable() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        _ = device.registry.remove(release.indexDigest)
        let told = try await explainer(device).explain("clinic/triage:1.0.0")
        #expect(registryRefused(device, told) == "indexNotReadable")
        await device.close()
    }

    @Test("The owner's policy and what publishers took back come before what fits")
    func refused() async throws {
        let device = try await DeviceFixture()
        try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let strict = explainer(device, policy: LocalPolicy(slots: [device.slot: ["factory/*"]]))
        let told = try await strict.explain("clinic/triage:1.0.0")
        #expect(registryRefused(device, told) == "policyRefused")
        #expect(told.releases.first?.refused?.message.contains("no slot run clinic/triage") == true)
        #expect(told.releases.first?.variants.isEmpty == false, "the table is there all the same")
        let floor = ReleaseFloor(version: try SemanticVersion("2.0.0"), number: 1, reason: "leak")
        let repository = try RepositoryName("clinic/triage")
        try await device.store.takenBack.update { $0.note(floor, of: repository) }
        #expect(registryRefused(device, try await explainer(device).explain("clinic/triage:1.0.0")) == "belowFloor")
        await device.close()
    }

    @Test("What is no slot and no release is an error that says what there is")
    func unknown() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let explainer = explainer(device, [slot(device, release)])
        let error = await #expect(throws: AgentError.self) { _ = try await explainer.explain("billing") }
        #expect(error?.code == "unknownSlot" && error?.remedy.contains("triage") == true)
        for wrong in ["Not A Slot", "clinic/triage", "clinic/triage@stable", "clinic/triage:one"] {
            await #expect(throws: InvalidValue.self, "\(wrong)") { _ = try await explainer.explain(wrong) }
        }
        await device.close()
    }

    @Test("An explanation comes whole over the control socket, and so does an error")
    func socket() async throws {
        let folder = try TemporaryFolder("ctl")
        try FileManager.default.createDirectory(atPath: folder.file("run"), withIntermediateDirectories: true)
        let whole = Explanation(device: try DeviceID("ward-1"), profile: "generic", slots: [], releases: [])
        let socket = ControlSocket(
            folder: folder.file("run"), logger: AgentLog.silent,
            explain: { subject in
                guard subject != "x" else { throw AgentError(.unknownSlot, "No slot x.", remedy: "Its slots: y.") }
                return whole
            },
            status: { throw AgentError.notEnrolled })
        let running = Task { try await socket.run() }
        try await eventually(within: 20, "the socket is there") {
            FileManager.default.fileExists(atPath: folder.file("run/control.sock"))
        }
        let client = ControlClient(data: folder.path)
        let (told, refused) = try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(
                    with: Result {
                        (try client.explain(nil), #expect(throws: ReportedFailure.self) { _ = try client.explain("x") })
                    })
            }.start()
        }
        #expect(told == whole)
        #expect(refused?.code == "unknownSlot" && refused?.remedy == "Its slots: y.")
        running.cancel()
        try await running.value
    }
}
