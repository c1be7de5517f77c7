import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import Testing
import Trust

@Suite("Plan, fetch, check and stage")
struct InstallerTests {
    private func failure(_ work: () async throws -> Void) async -> SlotFailure? {
        do {
            try await work()
            return nil
        } catch {
            return error as? SlotFailure
        }
    }

    /// Everything up to the staged generation.
    private func install(_ device: DeviceFixture, _ target: SlotTarget) async throws -> (GenerationRecord, ByteCount) {
        let installer = device.installer()
        let plan = try await installer.plan(target, record: SlotRecord(slot: device.slot))
        let fetched = try await installer.fetch(plan)
        try await installer.verify(plan)
        try await installer.check(plan)
        return (try await installer.stage(plan).record, fetched)
    }

    @Test("A published release comes whole, with links that an engine can open")
    func whole() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let (record, fetched) = try await install(device, device.target(release))
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        #expect(record.files.map(\.name) == ["model.gguf"])
        #expect(record.files.map(\.digest) == [model])
        #expect(fetched == record.files[0].size)
        let path = device.store.generations.path(of: record.files[0], in: record)
        #expect(try Digest.of(Array(Data(contentsOf: URL(fileURLWithPath: path)))) == model)
        await device.close()
    }

    @Test("What is on disk is not fetched again, and is planned without the registry")
    func again() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let target = device.target(release)
        var slot = SlotRecord(slot: device.slot)
        slot.previous = try await install(device, target).0
        device.registry.isAway = true
        let plan = try await device.installer().plan(device.target(release, generation: 5), record: slot)
        #expect(plan.isInstalled)
        #expect(plan.missing == .zero)
        await device.close()
    }

    @Test("A connection that breaks is taken up where it broke, by range")
    func resumes() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.cutBlobs(after: 400_000)
        let (_, fetched) = try await install(device, device.target(release))
        let ranges = device.registry.seen.compactMap { $0.fields["range"] }
        #expect(ranges.count >= 3)
        #expect(Set(ranges).count == ranges.count)
        #expect(fetched > .zero)
        await device.close()
    }

    @Test("Slots that need the same blob at the same time bring it once, and all get it whole")
    func shared() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.cutBlobs(after: 400_000)
        let installer = device.installer()
        let plan = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        let fetched = try await withThrowingTaskGroup(of: ByteCount.self) { group in
            for _ in 0..<4 { group.addTask { try await installer.fetch(plan) } }
            return try await group.reduce(.zero, +)
        }
        #expect(fetched == plan.missing)
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        let path = device.store.blobs.path(of: model)
        #expect(try Digest.of(Array(Data(contentsOf: URL(fileURLWithPath: path)))) == model)
        await device.close()
    }

    @Test("A rotten blob is refused by name, nothing of it is kept, and put right it comes")
    func rotten() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        device.registry.rot(model)
        let found = await failure { _ = try await install(device, device.target(release)) }
        #expect(found?.code == "digestMismatch" && found?.kind == .refused)
        #expect(found?.message.contains(model.text) == true)
        #expect(!device.store.blobs.has(model) && device.store.blobs.partialSize(model) == .zero)
        device.registry.rot(model)
        _ = try await install(device, device.target(release))
        await device.close()
    }

    @Test("A blob that the registry lost is named and tried again later")
    func lost() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        _ = device.registry.remove(model)
        let found = await failure { _ = try await install(device, device.target(release)) }
        #expect(found?.code == "blobMissing" && found?.kind == .refused)
        await device.close()
    }

    @Test("A rotten index is refused before anything else of the release is read")
    func rottenIndex() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.rot(release.indexDigest)
        let found = await failure { _ = try await install(device, device.target(release)) }
        #expect(found?.code == "digestMismatch" && found?.message.contains(release.indexDigest.text) == true)
        await device.close()
    }

    @Test("What the director assigns and the publisher did not sign is not installed")
    func unsigned() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try device.registry.yank("clinic/triage/1.0.0")
        let missing = await failure { _ = try await install(device, device.target(release)) }
        #expect(missing?.code == "notPublished")
        let other = try device.registry.publish(TestRelease("clinic/triage/1.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        #expect(other.indexDigest != release.indexDigest)
        let mismatch = await failure { _ = try await install(device, device.target(release)) }
        #expect(mismatch?.code == "targetMismatch" && mismatch?.kind == .final)
        await device.close()
    }

    @Test("A yank that the device has seen holds without the registry too")
    func yankSeen() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var slot = SlotRecord(slot: device.slot)
        slot.previous = try await install(device, device.target(release)).0
        try device.registry.yank("clinic/triage/1.0.0")
        try await device.trust.refresh()
        device.registry.isAway = true
        let found = await failure { _ = try await device.installer().plan(device.target(release), record: slot) }
        #expect(found?.kind == .transport)
        await device.close()
    }

    @Test("The device's own policy is the last word")
    func policy() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        for policy in [LocalPolicy(), LocalPolicy(otherSlots: ["ward/*"]), LocalPolicy(slots: [device.slot: []])] {
            let found = await failure {
                _ = try await device.installer(policy: policy).plan(
                    device.target(release), record: SlotRecord(slot: device.slot))
            }
            #expect(found?.code == "policyRefused" && found?.kind == .final)
        }
        var bounded = DeviceFixture.policy
        bounded.maxContextTokens = 128
        let found = await failure {
            _ = try await device.installer(policy: bounded).plan(
                device.target(release), record: SlotRecord(slot: device.slot))
        }
        #expect(found?.message.contains("contextTokens 256") == true)
        // Refused before a byte was asked for.
        #expect(device.registry.seen.isEmpty)
        await device.close()
    }

    @Test("With a clock that cannot be right, nothing is installed")
    func clock() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.system.now = DeviceFixture.now - .seconds(86_400 * 3650)
        let past = await failure { _ = try await install(device, device.target(release)) }
        #expect(past?.code == "clockUntrusted" && past?.kind == .retry)
        device.system.now = DeviceFixture.now + .seconds(86_400 * 3650)
        let future = await failure { _ = try await install(device, device.target(release)) }
        #expect(future?.code == "clockUntrusted" && future?.kind == .retry)
        device.system.now = DeviceFixture.now + .seconds(86_400 * 365)
        let nextYear = await failure { _ = try await install(device, device.target(release)) }
        #expect(nextYear?.code == "assignmentExpired")
        await device.close()
    }

    @Test("Where no variant fits, each is named with what it lacks")
    func noVariant() async throws {
        let device = try await DeviceFixture()
        var release = TestRelease("clinic/triage/1.0.0")
        release.minMemory = ByteCount(1 << 38)
        let large = try device.registry.publish(release)
        let memory = await failure { _ = try await install(device, device.target(large)) }
        #expect(memory?.code == "noVariantFits" && memory?.kind == .skipped)
        #expect(memory?.message.contains("Q8_0: needs 256.0 GiB of memory") == true)
        release = TestRelease("clinic/triage/2.0.0")
        release.engine = EngineRequirement(name: "llama.cpp", minVersion: try SemanticVersion("99.0.0"))
        let newer = try device.registry.publish(release)
        let version = await failure { _ = try await install(device, device.target(newer)) }
        #expect(version?.message.contains("needs llama.cpp 99.0.0, installed is 1.0.0") == true)
        await device.close()
    }

    @Test("Without an engine the device says how to get one, and tries again")
    func noEngine() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let bare = DeviceHardware(
            probe: device.hardware.probe, facts: device.hardware.facts, profile: device.hardware.profile,
            engines: { _ in [:] })
        let found = await failure {
            _ = try await device.installer(hardware: bare).plan(
                device.target(release), record: SlotRecord(slot: device.slot))
        }
        #expect(found?.code == "engineMissing" && found?.kind == .retry)
        #expect(found?.message.contains("Install llama-server") == true)
        await device.close()
    }

    @Test("A disk without room is found before the first byte is fetched")
    func noRoom() async throws {
        let device = try await DeviceFixture(budget: DiskBudget(limit: ByteCount(100_000), reserve: .zero))
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let found = await failure { _ = try await install(device, device.target(release)) }
        #expect(found?.code == "diskFull" && found?.kind == .retry)
        #expect(!device.registry.seen.contains { $0.target.contains("/blobs/") })
        await device.close()
    }

    @Test("What the profile leaves to others is left: nothing is fetched into it")
    func profileReserve() async throws {
        let device = try await DeviceFixture(budget: DiskBudget())
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let free = try device.store.files.freeSpace(device.store.layout.root)
        // Other tests give back megabytes meanwhile.
        await device.store.blobs.leave(free + .mebibytes(65_536))
        let found = await failure { _ = try await install(device, device.target(release)) }
        #expect(found?.code == "diskFull" && found?.kind == .retry, "\(String(describing: found))")
        #expect(!device.registry.seen.contains { $0.target.contains("/blobs/") })
        await device.store.blobs.leave(.zero)
        _ = try await install(device, device.target(release))
        await device.close()
    }

    @Test("An engine's release is not fetched where it could not be unpacked")
    func noRoomToUnpack() async throws {
        let device = try await DeviceFixture(budget: DiskBudget(limit: .mebibytes(64), reserve: .zero))
        let model = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        func refusal(_ version: String, unpacked: ByteCount) async throws -> SlotFailure? {
            let engine = try device.registry.publishEngine(
                "clinic/llama.cpp/\(version)", archive: Array(version.utf8), unpacked: unpacked)
            let policy = LocalPolicy(otherSlots: ["clinic/*"], engineNamespace: "clinic")
            var installer = device.installer(policy: policy)
            installer.trees = EngineTrees(store: device.store) { _, _, _ in }
            return await failure {
                _ = try await installer.plan(device.target(model, engine), record: SlotRecord(slot: device.slot))
            }
        }
        let none = try await refusal("1.0.0", unpacked: .mebibytes(16))
        #expect(none == nil, "\(String(describing: none))")
        let found = try await refusal("1.1.0", unpacked: .mebibytes(63))
        #expect(found?.code == "diskFull" && found?.kind == .retry, "\(String(describing: found))")
        #expect(!device.registry.seen.contains { $0.target.contains("/blobs/") })
        await device.close()
    }

    @Test("A registry that is away is nobody's fault")
    func away() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.isAway = true
        let found = await failure { _ = try await install(device, device.target(release)) }
        #expect(found?.kind == .transport)
        await device.close()
    }
}
