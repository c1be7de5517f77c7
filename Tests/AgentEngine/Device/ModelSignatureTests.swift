import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("The owner's demand for model signatures")
struct ModelSignatureTests {
    private let key: KeyPair
    private let policy: LocalPolicy

    init() throws {
        key = try KeyPair.generate(.ecdsaP256)
        var policy = DeviceFixture.policy
        policy.modelSignatures = ["clinic/*": [try ModelSignatureKey(key.publicKey)]]
        self.policy = policy
    }

    private func failure(_ work: () async throws -> Void) async -> SlotFailure? {
        do {
            try await work()
            return nil
        } catch {
            return error as? SlotFailure
        }
    }

    private func plan(_ device: DeviceFixture, _ release: AssignedRelease, _ record: SlotRecord? = nil) async throws
        -> InstallPlan
    {
        try await device.installer(policy: policy).plan(
            device.target(release), record: record ?? SlotRecord(slot: device.slot))
    }

    private func sign(_ device: DeviceFixture, _ release: AssignedRelease, by signer: KeyPair? = nil) throws {
        for variant in try device.registry.variants(of: release) {
            let signature = try ModelSignature.sign("clinic/triage", variant.files, by: signer ?? key)
            try device.registry.attach(signature.bytes, to: variant.manifest)
        }
    }

    /// Whether a blob of weights was asked for.
    private func askedForWeights(_ device: DeviceFixture) throws -> Bool {
        let weights = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        return device.registry.seen.contains { $0.target.contains(weights.hex) }
    }

    @Test("without one nothing is installed: refused by name before a byte of weights is asked for")
    func missing() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let found = await failure { _ = try await plan(device, release) }
        #expect(found?.code == "modelSignatureMissing" && found?.kind == .final)
        let hint = try ModelSignatureKey(key.publicKey).description
        #expect(found?.message.contains("clinic/triage:1.0.0") == true && found?.message.contains(hint) == true)
        #expect(try !askedForWeights(device))
        await device.close()
    }

    @Test("with one the release is installed, and the signature is kept with its generation")
    func present() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try sign(device, release)
        let installer = device.installer(policy: policy)
        let first = try await plan(device, release)
        _ = try await installer.fetch(first)
        let record = try await installer.stage(first).record
        #expect(record.documents.count == 3)
        // Going back to it needs neither the network nor what the registry keeps beside it.
        device.registry.isAway = true
        var slot = SlotRecord(slot: device.slot)
        slot.previous = record
        #expect(try await plan(device, release, slot).isInstalled)
        // It says nothing about another release.
        device.registry.isAway = false
        let next = try device.registry.publish(TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let found = await failure { _ = try await plan(device, next, slot) }
        #expect(found?.code == "modelSignatureMissing")
        await device.close()
    }

    @Test("one of another key, of other files, of another variant, and what is no signature do not count")
    func refused() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let other = try device.registry.publish(TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let variant = try #require(try device.registry.variants(of: release).first)
        let elsewhere = try #require(try device.registry.variants(of: other).first)
        try device.registry.attach(Array("no bundle".utf8), to: variant.manifest)
        try sign(device, release, by: KeyPair.generate(.ecdsaP256))
        let replayed = try ModelSignature.sign("clinic/triage", elsewhere.files, by: key)
        try device.registry.attach(replayed.bytes, to: variant.manifest)
        let found = await failure { _ = try await plan(device, release) }
        #expect(found?.code == "modelSignatureRefused" && found?.kind == .final)
        #expect(found?.message.contains("another model.gguf") == true, "\(found?.message ?? "")")
        #expect(try !askedForWeights(device))
        // Among all of these the right one is found.
        try sign(device, release)
        _ = try await plan(device, release)
        await device.close()
    }

    @Test("a list without end is not read to its end, and a registry that does not answer is no refusal")
    func hostile() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let variant = try #require(try device.registry.variants(of: release).first)
        for number in 0..<40 { try device.registry.attach(Array("{\"n\":\(number)}".utf8), to: variant.manifest) }
        let found = await failure { _ = try await plan(device, release) }
        #expect(found?.code == "modelSignatureRefused")
        let read = device.registry.seen.filter { $0.target.contains("/manifests/") }.count
        #expect(read < 20, "\(read) manifests were read")
        var slot = SlotRecord(slot: device.slot)
        let installer = device.installer()
        let unsigned = try await installer.plan(device.target(release), record: slot)
        _ = try await installer.fetch(unsigned)
        slot.current = try await installer.stage(unsigned).record
        device.registry.isAway = true
        let away = await failure { _ = try await plan(device, release, slot) }
        #expect(away?.kind == .transport, "\(away?.code ?? "")")
        await device.close()
    }

    @Test("a demand on one repository leaves the others alone, and two demands need two signatures")
    func patterns() async throws {
        let device = try await DeviceFixture()
        let second = try KeyPair.generate(.ecdsaP256)
        var policy = policy
        policy.modelSignatures = [
            "clinic/*": [try ModelSignatureKey(key.publicKey)],
            "clinic/triage": [try ModelSignatureKey(second.publicKey)],
            "ward/*": [try ModelSignatureKey(key.publicKey)],
        ]
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try sign(device, release)
        let installer = device.installer(policy: policy)
        let slot = SlotRecord(slot: device.slot)
        let found = await failure { _ = try await installer.plan(device.target(release), record: slot) }
        #expect(found?.code == "modelSignatureRefused")
        #expect(found?.message.contains("clinic/triage: key") == true && found?.message.contains("clinic/*") == false)
        try sign(device, release, by: second)
        _ = try await installer.plan(device.target(release), record: slot)
        let billing = try device.registry.publish(TestRelease("clinic/billing/1.0.0"))
        try sign(device, billing)
        _ = try await installer.plan(device.target(billing), record: slot)
        await device.close()
    }
}
