import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import TestSupport
import Testing
import Trust

/// A namespace goes, and comes again: by the same code that `martlet trust` runs, against a real registry.
@Suite("Removing a namespace")
struct NamespaceRemovalTests {
    private let slot: SlotName

    init() throws { slot = try SlotName("triage") }

    private func context(_ registry: RegistryFixture, _ signers: [any Signer]) async throws -> PublisherContext {
        let http = registry.admin.api.http
        let clock = registry.clock
        return PublisherContext(
            operators: registry.admin, oci: OCIClient(http: http), tuf: try await client(registry), signers: signers,
            clock: { clock.now })
    }

    private func client(_ registry: RegistryFixture) async throws -> TUFClient {
        let http = registry.admin.api.http
        return try TUFClient(
            trustedRoot: try await TrustAnchor.root(http: http, expecting: nil),
            fetcher: HTTPMetadataFetcher(http: http), store: InMemoryMetadataStore())
    }

    private func isDone(_ outcome: ChangeOutcome) -> Bool { if case .done = outcome { true } else { false } }

    @Test("No device finds its releases any more, what runs is shown, and others may have the name afterwards")
    func removal() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let newer = try await registry.publish("clinic/triage/2.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        func roll(_ path: ReleasePath) async throws {
            _ = try await registry.admin.startRollout(
                RolloutRequest(selector: try LabelSelector(""), slot: slot, releases: [path]))
        }
        try await roll(release.path)
        _ = try await device.obey(slot)
        try await roll(newer.path)
        let follower = try await client(registry)
        try await follower.refresh(now: registry.clock.now)
        #expect(try await follower.target(release.path.text) != nil)

        let owner = try await context(registry, [try registry.key("targets")])
        let draft = try await TrustEditor(context: owner).removing("clinic")
        let summary = try ChangeSummary(draft)
        #expect(summary.changesMore && summary.lines.contains { $0.contains("clinic is removed") }, "\(summary.lines)")
        // A publisher's token is not enough, and neither is a publisher's key.
        let publisher = try await registry.operatorClient(role: .publisher)
        await expectProblem(403, "forbidden") { _ = try await publisher.change(draft.change) }
        let stranger = try draft.signed(by: [try registry.key("clinic")]).draft
        await expectProblem(422, "badSignature") { _ = try await registry.admin.change(stranger.change) }
        #expect(isDone(try await ChangeSubmission(context: owner).submit(draft)))

        try await follower.refresh(now: registry.clock.now)
        #expect(try await follower.target(release.path.text) == nil)
        #expect(try await registry.admin.release(release.path).state == .yanked)
        let status = try await registry.admin.status()
        #expect(status.metadataVersions["clinic"] == nil, "what nobody signs does not end with a warning")
        #expect(status.takenBack.map(\.path) == [release.path] && status.takenBack.first?.devices == 1)
        let offered = try await device.poll(above: 0)?.slots[slot]?.releases.map(\.path)
        #expect(offered == [release.path], "the offer is taken back, and what runs goes on")
        await expectProblem(409, "releaseNotPublished") { try await roll(newer.path) }
        #expect(try await registry.admin.audit().contains { $0.action == "trust.removeNamespace" })
        await #expect(throws: PublishError(.badRequest, "")) {
            _ = try await TrustEditor(context: owner).removing("clinic")
        }

        // Delegated anew, to others: versions go on above what devices have seen of it.
        let fresh = try KeyPair.generate(.ed25519)
        let second = try await context(registry, [try registry.key("targets"), fresh])
        let again = try await TrustEditor(context: second)
            .delegating("clinic", to: [fresh.publicKey], threshold: 1)
        #expect(isDone(try await ChangeSubmission(context: second).submit(try #require(again))))
        try await follower.refresh(now: registry.clock.now)
        #expect(try await follower.target(release.path.text) == nil)
        let (bin, signed) = try await registry.signed(.add(path: release.path.text, file: release.target), by: fresh)
        _ = try await registry.admin.putRole(bin, bytes: signed)
        try await follower.refresh(now: registry.clock.now)
        #expect(try await follower.target(release.path.text)?.names(release.index, length: release.length) == true)
        #expect(try await registry.admin.release(release.path).state == .published)
        try await registry.stop()
    }

    @Test("A rollout that has yet to offer its release to most is paused, and offers it to nobody when it goes on")
    func pending() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let first = try await registry.publish("clinic/triage/1.0.0")
        let second = try await registry.publish("clinic/triage/2.0.0")
        let canary = try await SimulatedDevice("box-1", at: registry, labels: ["ring": "canary"])
        let other = try await SimulatedDevice("box-2", at: registry)
        func roll(_ path: ReleasePath, _ policy: RolloutPolicy) async throws -> RolloutInfo {
            try await registry.admin.startRollout(
                RolloutRequest(selector: try LabelSelector(""), slot: slot, releases: [path], policy: policy))
        }
        _ = try await roll(first.path, RolloutPolicy(soakSeconds: 0))
        for device in [canary, other] { _ = try await device.obey(slot) }
        let rollout = try await roll(
            second.path,
            RolloutPolicy(waves: [RolloutWave(selector: try LabelSelector("ring=canary"))], soakSeconds: 0))
        let owner = try await context(registry, [try registry.key("targets")])
        let draft = try await TrustEditor(context: owner).removing("clinic")
        #expect(isDone(try await ChangeSubmission(context: owner).submit(draft)))
        let paused = try await registry.admin.rollout(rollout.id)
        #expect(paused.state == .paused, "\(paused.state) \(paused.reason)")
        _ = try await registry.admin.changeRollout(rollout.id, .resume)
        for device in [canary, other] {
            let assigned = try await device.poll(above: 0)?.slots[slot]?.releases.map(\.path)
            #expect(assigned == [first.path], "\(device.name) is sent nowhere new")
            let moves = try await registry.admin.moves(of: device.name).map(\.releases)
            #expect(device.name == canary.name || !moves.contains([second.path]), "\(moves)")
        }
        let going = try await registry.admin.rollout(rollout.id)
        #expect(going.devices?.allSatisfy { $0.state.isFinal } == true, "\(going.counts)")
        try await registry.stop()
    }
}
