import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import TestSupport
import Testing
import Trust

/// Renewals that several must sign, one after the other, against a real registry.
@Suite("Renewing together")
struct RenewalTogetherTests {
    private static let year = Duration.seconds(400 * 86_400)

    private func renewal(_ registry: RegistryFixture, _ signers: [any Signer]) async throws -> Renewal {
        Renewal(context: try await context(registry, signers), within: Self.year)
    }

    private func context(_ registry: RegistryFixture, _ signers: [any Signer]) async throws -> PublisherContext {
        let http = registry.admin.api.http
        let clock = registry.clock
        return PublisherContext(
            operators: registry.admin, oci: OCIClient(http: http),
            tuf: try TUFClient(
                trustedRoot: try await TrustAnchor.root(http: http, expecting: nil),
                fetcher: HTTPMetadataFetcher(http: http), store: InMemoryMetadataStore()), signers: signers,
            clock: { clock.now })
    }

    /// A registry whose `clinic`, root and targets need two of three each: their own key, and those of bob and carol.
    private func started() async throws -> (RegistryFixture, bob: KeyPair, carol: KeyPair) {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let (bob, carol) = (try KeyPair.generate(.ed25519), try KeyPair.generate(.ed25519))
        let everyone = try await context(
            registry, ["root", "targets", "clinic"].map { try registry.key($0) } + [bob, carol])
        for role in ["clinic", "targets", "root"] {
            let change = KeyChange(adding: [bob.publicKey, carol.publicKey], threshold: 2)
            let draft = try await TrustEditor(context: everyone).keys(of: role, change)
            guard case .done = try await ChangeSubmission(context: everyone).submit(draft) else {
                Issue.record("\(role) was not changed")
                continue
            }
        }
        return (registry, bob, carol)
    }

    @Test(
        "The first begins what the others sign, for a namespace, targets and root",
        arguments: ["clinic", "targets", "root"])
    func roles(_ role: String) async throws {
        let (registry, bob, carol) = try await started()
        let before = try await registry.admin.status().metadataVersions
        let own = try registry.key(role)
        let stranger = try KeyPair.generate(.ed25519)
        #expect(await refusal { _ = try await renewal(registry, [stranger]).run(role) } == "notAPublisher")
        let first = try await renewal(registry, [own]).run(role)
        let waiting = try #require(first.waiting)
        #expect(first.renewed.isEmpty && waiting.progress.allSatisfy { $0.signed == [own.publicKey.keyID] })
        // A timer that runs again makes no second one.
        #expect(try await renewal(registry, [own]).run(role).waiting?.id == waiting.id)
        #expect(try await registry.admin.proposals().count == 1)
        let second = try await renewal(registry, [carol]).run(role)
        #expect(second.waiting == nil && second.renewed.count == (role == "clinic" ? 129 : 1))
        let after = try await registry.admin.status().metadataVersions
        #expect(after[role] == (before[role] ?? 0) + 1)
        #expect(try await registry.admin.proposals().isEmpty)
        // Both at once need nobody else.
        #expect(try await renewal(registry, [own, bob]).run(role).renewed.count == second.renewed.count)
        try await registry.stop()
    }

    @Test("A renewal that was overtaken is begun again, and what only calls itself one is not signed")
    func overtaken() async throws {
        let (registry, bob, carol) = try await started()
        let ann = try registry.key("clinic")
        let first = try #require(try await renewal(registry, [ann]).run("clinic").waiting)
        let pushed = try await registry.push("clinic/triage/1.0.0", weights: [1])
        let edit = PublisherEdit.add(path: pushed.path.text, file: pushed.target)
        let bin = try NamespaceLayout("clinic").bin(for: pushed.path.text)
        let next = edit.applied(to: try await registry.role(bin), now: registry.clock.now)
        _ = try await registry.admin.putRole(bin, bytes: SignedEnvelope.sign(next.json, by: [ann, bob]).encoded())
        let second = try #require(try await renewal(registry, [carol]).run("clinic").waiting)
        #expect(second.id != first.id)
        #expect(try await registry.admin.proposals().map(\.id) == [second.id])
        try await registry.admin.deleteProposal(second.id)

        // By its note a renewal, by its content a withdrawal; and one that would hold for ten years.
        let role = try await registry.role(bin)
        let far = registry.clock.now + .seconds(3650 * 86_400)
        let soon = registry.clock.now + .seconds(86_400)
        for document in [role.removing(pushed.path.text).next(expires: soon).json, role.next(expires: far).json] {
            let bytes = try SignedEnvelope.sign(document, by: [ann]).encoded()
            let change = TrustChange(roles: [bin: String(decoding: bytes, as: UTF8.self)])
            let bad = try await registry.admin.propose(ProposalRequest(change: change, note: "renew clinic")).proposal
            let outcome = try await renewal(registry, [bob]).run("clinic")
            #expect(outcome.waiting.map(\.id) != bad.id && outcome.renewed.isEmpty)
            let kept = try await registry.admin.proposal(bad.id)
            #expect(kept.progress.allSatisfy { $0.signed == [ann.publicKey.keyID] }, "bob has not signed it")
            for proposal in try await registry.admin.proposals() {
                try await registry.admin.deleteProposal(proposal.id)
            }
        }
        try await registry.stop()
    }

    @Test("After an older backup a namespace is signed until it is above what was seen")
    func restored() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let ann = try await context(registry, [try registry.key("clinic")])
        let seen = ["clinic-bin-03": 4, "clinic": 1]
        let renewed = try await Renewal(context: ann, within: .zero, above: seen).run("clinic").renewed
        #expect(Set(renewed.map { "\($0.role) \($0.version)" }) == ["clinic-bin-03 5", "clinic 2"])
        let lied = await refusal {
            _ = try await Renewal(context: ann, within: .zero, above: ["clinic": 1 << 40]).run("clinic")
        }
        #expect(lied == "badRegistry")
        try await registry.stop()
    }

    private func refusal(_ body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? any MartletError)?.code ?? "\(error)"
        }
    }
}
