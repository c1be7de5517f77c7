import HTTPTypes
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Testing
import Trust

/// Changes of keys against a real registry, by the same code that `martlet trust` runs.
@Suite struct TrustChangeTests {
    /// A publisher or owner with these keys, who starts from the first root.
    private static func context(_ registry: RegistryFixture, _ signers: [any Signer]) async throws -> PublisherContext {
        let http = registry.admin.api.http
        let clock = registry.clock
        return PublisherContext(
            operators: registry.admin, oci: OCIClient(http: http), tuf: try await client(registry), signers: signers,
            clock: { clock.now })
    }

    /// A device's view: a client that remembers what it accepted.
    private static func client(_ registry: RegistryFixture) async throws -> TUFClient {
        let http = registry.admin.api.http
        return try TUFClient(
            trustedRoot: try await TrustAnchor.root(http: http, expecting: nil),
            fetcher: HTTPMetadataFetcher(http: http), store: InMemoryMetadataStore())
    }

    private static func done(_ outcome: ChangeOutcome?) -> Bool { if case .done? = outcome { true } else { false } }

    private static func pending(_ outcome: ChangeOutcome?) -> Proposal? {
        if case .pending(let proposal)? = outcome { proposal } else { nil }
    }

    @Test("A parked poll ends as soon as the owner changes root, and tells which versions there are")
    func pollHearsOfRoot() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let device = try await SimulatedDevice("box-1", at: registry)
        func poll(_ trust: TrustRevision?, above number: Int64, wait: Duration) async throws -> (
            assignment: [UInt8]?, trust: TrustRevision?
        ) {
            try await device.client.poll(
                above: number, wait: wait, snapshot: 0, timestamp: 0, trust: trust, journal: device.journal)
        }
        let first = try await poll(nil, above: 0, wait: .zero)
        #expect(first.trust == TrustRevision(root: 1, targets: 1))
        let number = try first.assignment.flatMap { try JSONValue(parsing: $0)["signed"]?["number"]?.integer } ?? 0
        let known = try #require(first.trust)
        async let parked = poll(known, above: number, wait: .seconds(50))
        let newRoot = try KeyPair.generate(.ed25519)
        let owner = try await Self.context(registry, [try registry.key("root"), newRoot])
        let draft = try await TrustEditor(context: owner).keys(
            of: "root", KeyChange(adding: [newRoot.publicKey], replacesAll: true))
        #expect(Self.done(try await ChangeSubmission(context: owner).submit(draft)))
        let told = try await parked
        #expect(told.assignment == nil && told.trust == TrustRevision(root: 2, targets: 1))
        // One that is behind is told at once, and what is no revision is refused.
        #expect(try await poll(known, above: number, wait: .seconds(50)).trust == told.trust)
        let wrong = try await device.client.api.http.perform(
            HTTPCall(.get, "/device/v1/assignment?trust=newest"), limit: 1 << 16)
        #expect(wrong.status == 400 && String(decoding: wrong.body, as: UTF8.self).contains("trust"))
        try await registry.stop()
    }

    @Test("Every role gets other keys, a client that was there before follows, and publishing goes on")
    func rotations() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let (root, targets) = (try registry.key("root"), try registry.key("targets"))
        let device = try await Self.client(registry)
        try await device.refresh(now: registry.clock.now)
        let release = try await registry.publish("clinic/triage/1.0.0")

        let newRoot = try KeyPair.generate(.ecdsaP256)
        let owner = try await Self.context(registry, [root, newRoot])
        let change = KeyChange(adding: [newRoot.publicKey], replacesAll: true)
        let draft = try await TrustEditor(context: owner).keys(of: "root", change)
        #expect(Self.done(try await ChangeSubmission(context: owner).submit(draft)))
        try await device.refresh(now: registry.clock.now)
        #expect(await device.versions.root == 2)

        let newTargets = try KeyPair.generate(.ed25519)
        let second = owner.with(signers: [newRoot, newTargets])
        let targetsChange = KeyChange(adding: [newTargets.publicKey], replacesAll: true)
        let targetsDraft = try await TrustEditor(context: second).keys(of: "targets", targetsChange)
        #expect(Self.done(try await ChangeSubmission(context: second).submit(targetsDraft)))
        try await device.refresh(now: registry.clock.now)
        #expect(Array(await device.rootKeys(for: .targets).keys.keys) == [newTargets.publicKey.keyID])

        for name in [OnlineKeyName.snapshot, .timestamp] {
            let former = try await registry.admin.onlineKeys()
            let online = try await TrustEditor(context: second).online(name, .overlap)
            #expect(Self.done(try await ChangeSubmission(context: second).submit(online)))
            let keys = try await registry.admin.onlineKeys()
            #expect(keys.next == nil)
            #expect(name == .snapshot ? keys.snapshot != former.snapshot : keys.timestamp != former.timestamp)
            try await device.refresh(now: registry.clock.now)
        }

        let newPublisher = try KeyPair.generate(.ed25519)
        let third = owner.with(signers: [newTargets, newPublisher])
        let publisherChange = KeyChange(adding: [newPublisher.publicKey], replacesAll: true)
        let namespaceDraft = try await TrustEditor(context: third).keys(of: "clinic", publisherChange)
        #expect(Self.done(try await ChangeSubmission(context: third).submit(namespaceDraft)))
        try await device.refresh(now: registry.clock.now)
        #expect(try await device.target(release.path.text)?.names(release.index, length: release.length) == true)
        let (role, bytes) = try await registry.signed(.remove(path: release.path.text))
        await expectProblem(422, "badSignature") { _ = try await registry.admin.putRole(role, bytes: bytes) }
        _ = targets
        try await registry.stop()
    }

    @Test("A change that would leave a role unverified is refused by name, and nothing of it is kept")
    func incomplete() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let (root, targets) = (try registry.key("root"), try registry.key("targets"))
        let stranger = try KeyPair.generate(.ed25519)
        let owner = try await Self.context(registry, [root, targets])
        let tree = try await owner.standing(["clinic"])
        let now = registry.clock.now
        func text(_ json: JSONValue, _ signers: any Signer...) throws -> String {
            String(decoding: try SignedEnvelope.sign(json, by: signers).encoded(), as: UTF8.self)
        }
        let otherTargets = try tree.root.next(
            expires: now + MetadataLifetime.root, replacing: [.targets: ([stranger.publicKey], 1)])
        let otherTimestamp = try tree.root.next(
            expires: now + MetadataLifetime.root, replacing: [.timestamp: ([stranger.publicKey], 1)])
        let online = try PublicKey(json: try await registry.admin.onlineKeys().director)
        let layout = try NamespaceLayout("clinic")
        let onlinePublisher = try layout.delegated(in: tree.targets, keys: [online], threshold: 1)
            .next(expires: now + MetadataLifetime.targets)
        let otherPublisher = try layout.delegated(in: tree.targets, keys: [stranger.publicKey], threshold: 1)
            .next(expires: now + MetadataLifetime.targets)
        let cases: [(TrustChange, String)] = [
            (TrustChange(roles: ["root": try text(otherTargets.json, root)]), "leavesUnverified"),
            (TrustChange(roles: ["root": try text(otherTimestamp.json, root)]), "wrongOnlineKey"),
            (TrustChange(roles: ["root": try text(otherTargets.json, stranger)]), "badSignature"),
            (TrustChange(roles: ["targets": try text(otherPublisher.json, targets)]), "leavesUnverified"),
            (TrustChange(roles: ["targets": try text(onlinePublisher.json, targets)]), "onlineKeyForOfflineRole"),
            (TrustChange(roles: ["targets": try text(otherPublisher.json, root)]), "badSignature"),
        ]
        for (change, code) in cases {
            await expectProblem(422, code) { _ = try await registry.admin.change(change) }
        }
        let publisher = try await registry.operatorClient(role: .publisher)
        await expectProblem(403, "forbidden") { _ = try await publisher.change(cases[0].0) }
        await expectProblem(404, "unknownRole") {
            _ = try await registry.admin.change(TrustChange(roles: ["elsewhere": try text(tree.targets.json, targets)]))
        }
        #expect(try await registry.admin.status().metadataVersions["root"] == 1)
        // Cut off on purpose it is taken, and the publisher's key signs nothing any more.
        var suspending = cases[3].0
        suspending.suspends = ["clinic"]
        _ = try await registry.admin.change(suspending)
        let device = try await Self.client(registry)
        try await device.refresh(now: now)
        await #expect(throws: TUFError.self) { try await device.target("clinic/triage/1.0.0") }
        let again = try await Self.context(registry, [stranger])
        let draft = try await TrustEditor(context: again).signingAgain("clinic")
        #expect(Self.done(try await ChangeSubmission(context: again).submit(draft)))
        try await device.refresh(now: registry.clock.now)
        #expect(try await device.target("clinic/triage/1.0.0") == nil)
        try await registry.stop()
    }

    @Test("Two of three publish: one proposes, another completes, and what was overtaken is signed again")
    func thresholds() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let (targets, ann) = (try registry.key("targets"), try registry.key("clinic"))
        let (bob, carol) = (try KeyPair.generate(.ed25519), try KeyPair.generate(.ed25519))
        let everyone = try await Self.context(registry, [targets, ann, bob, carol])
        let keys = KeyChange(adding: [bob.publicKey, carol.publicKey], threshold: 2)
        let draft = try await TrustEditor(context: everyone).keys(of: "clinic", keys)
        #expect(Self.done(try await ChangeSubmission(context: everyone).submit(draft)))

        // Alone the first publisher changes nothing, also not with the registry's help.
        let one = try await registry.push("clinic/triage/1.0.0", weights: [1])
        let (role, bytes) = try await registry.signed(.add(path: one.path.text, file: one.target))
        await expectProblem(422, "thresholdNotMet") { _ = try await registry.admin.putRole(role, bytes: bytes) }

        let first = try await Self.propose(one, by: ann, registry)
        #expect(first.progress.map(\.signed.count) == [1] && first.progress.map(\.needed) == [2])
        #expect(try await Self.sign(first, by: ann, registry) == "notAPublisher")
        #expect(try await Self.sign(first, by: try .generate(.ed25519), registry) == "notAPublisher")
        // A second release of the same bin, that both of the first signers shall agree to.
        let two = try await registry.push(try Self.sibling(of: one.path.text), weights: [2])
        let second = try await Self.propose(two, by: bob, registry)
        #expect(try await registry.admin.proposals().map(\.id) == [first.id, second.id])
        #expect(try await Self.sign(first, by: bob, registry) == "done")
        #expect(try await registry.admin.release(one.path).state == .published)
        let overtaken = try await registry.admin.proposal(second.id)
        #expect(overtaken.isOutdated && overtaken.signAgain == [bob.publicKey.keyID], "nobody signs unasked")
        // Another applies it again first: bob is still told, and his signature completes it.
        #expect(try await Self.sign(overtaken, by: carol, registry) == "pending")
        let again = try await registry.admin.proposal(second.id)
        #expect(!again.isOutdated && again.signAgain == [bob.publicKey.keyID])
        #expect(again.progress.map(\.signed) == [[carol.publicKey.keyID]])
        #expect(try await Self.sign(again, by: bob, registry) == "done")
        #expect(try await registry.admin.release(two.path).state == .published)
        #expect(try await registry.admin.release(one.path).state == .published)
        #expect(try await registry.admin.proposals().isEmpty)
        try await registry.stop()
    }

    @Test("What waits for signatures is checked like what does not")
    func proposals() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let (root, targets) = (try registry.key("root"), try registry.key("targets"))
        let (second, stranger) = (try KeyPair.generate(.ed25519), try KeyPair.generate(.ed25519))
        let owner = try await Self.context(registry, [root])
        let draft = try await TrustEditor(context: owner)
            .keys(of: "root", KeyChange(adding: [second.publicKey], threshold: 2))
        await expectProblem(422, "unsigned") {
            _ = try await registry.admin.propose(try draft.signed(by: [stranger]).draft.request)
        }
        let proposal = try #require(Self.pending(try await ChangeSubmission(context: owner).submit(draft)))
        #expect(proposal.namespace == nil)
        let publisher = try await registry.operatorClient(role: .publisher, namespaces: ["clinic"])
        #expect(try await publisher.proposals().isEmpty)
        await expectProblem(404, "unknownProposal") { _ = try await publisher.proposal(proposal.id) }
        await expectProblem(404, "unknownProposal") { try await publisher.deleteProposal(proposal.id) }
        // Another change of root comes first: this one is over.
        let faster = try await TrustEditor(context: owner).keys(of: "root", KeyChange(adding: [stranger.publicKey]))
        #expect(Self.done(try await ChangeSubmission(context: owner).submit(faster)))
        #expect(try await registry.admin.proposal(proposal.id).isOutdated)
        await expectProblem(409, "proposalMoved") {
            _ = try await registry.admin.sign(proposal.id, try draft.signed(by: [second]).draft.change)
        }
        try await registry.admin.deleteProposal(proposal.id)
        #expect(try await registry.admin.proposals().isEmpty)
        _ = targets
        try await registry.stop()
    }

    @Test("A change goes from hand to hand in a file, signed without the registry")
    func files() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let root = try registry.key("root")
        let second = try KeyPair.generate(.ed25519)
        let owner = try await Self.context(registry, [])
        let draft = try await TrustEditor(context: owner)
            .keys(of: "root", KeyChange(adding: [second.publicKey], threshold: 2))
        var file = try draft.signed(by: [root]).draft.encoded()
        let half = try ChangeDraft(parsing: file).isComplete()
        #expect(!half)
        let summary = try ChangeSummary(try ChangeDraft(parsing: file))
        #expect(summary.lines.contains("root needs 2 signatures (before: 1)"))
        file = try ChangeDraft(parsing: file).signed(by: [second]).draft.encoded()
        #expect(Self.done(try await ChangeSubmission(context: owner).submit(try ChangeDraft(parsing: file))))
        let device = try await Self.client(registry)
        try await device.refresh(now: registry.clock.now)
        #expect(await device.rootKeys(for: .root).threshold == 2)
        try await registry.stop()
    }

    // MARK: - Parts

    /// A path of the same repository that falls into the same bin.
    private static func sibling(of path: String) throws -> String {
        let layout = try NamespaceLayout("clinic")
        let bin = try layout.bin(for: path)
        return try #require(
            try (1...500).map { "clinic/triage/2.\($0).0" }.first { try layout.bin(for: $0) == bin })
    }

    private static func propose(
        _ release: PushedRelease, by key: KeyPair, _ registry: RegistryFixture
    ) async throws -> Proposal {
        let edit = PublisherEdit.add(path: release.path.text, file: release.target)
        let (role, bytes) = try await registry.signed(edit, by: key)
        let change = TrustChange(roles: [role: String(decoding: bytes, as: UTF8.self)])
        let request = ProposalRequest(change: change, edit: edit.json, note: "publish \(release.path)")
        return try await registry.admin.propose(request).proposal
    }

    private static func sign(
        _ proposal: Proposal, by key: KeyPair, _ registry: RegistryFixture
    ) async throws -> String {
        let submission = ChangeSubmission(context: try await context(registry, [key]))
        do {
            let outcome = try await submission.sign(proposal, as: try await submission.review(proposal))
            return done(outcome) ? "done" : "pending"
        } catch let error as PublishError {
            return error.code
        }
    }
}
