import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import Testing
import Trust

@Suite struct TrustTests {
    @Test("A client follows the workflow from the first root to a release, and sees it withdrawn")
    func workflow() async throws {
        let registry = try await RegistryFixture.start()
        let initialization = try await registry.trustInitialization()
        try await registry.admin.initializeTrust(initialization)
        #expect(try await registry.call(.get, "/readyz").status == 200)
        let release = try await registry.publish("clinic/triage/1.0.0")
        let fetcher = HTTPMetadataFetcher(http: registry.admin.api.http)
        func client() throws -> TUFClient {
            try TUFClient(
                trustedRoot: Array(initialization.root.utf8), fetcher: fetcher, store: InMemoryMetadataStore())
        }
        let first = try client()
        try await first.refresh(now: registry.clock.now)
        #expect(try await first.target(release.path.text)?.names(release.index, length: release.length) == true)
        let document = try #require(try await first.target(TrustDocument.path))
        #expect(try await fetcher.target(TrustDocument.path, document) == Array(initialization.trustDocument.utf8))

        let (role, bytes) = try await registry.signed(.remove(path: release.path.text))
        _ = try await registry.admin.putRole(role, bytes: bytes)
        let second = try client()
        try await second.refresh(now: registry.clock.now)
        #expect(try await second.target(release.path.text) == nil)
        #expect(try await registry.admin.release(release.path).state == .yanked)
        try await registry.stop()
    }

    @Test(
        "Wrong first metadata is refused by name, and nothing of it is kept",
        arguments: [
            ("root of another registry", "wrongOnlineKey"), ("online key for targets", "onlineKeyForOfflineRole"),
            ("trust document changed", "lengthExceeded"), ("director of another", "wrongTrustDocument"),
            ("stray role", "notDelegated"), ("targets signed by another", "badSignature"), ("no JSON", "malformed"),
        ])
    func wrongInitialization(what: String, code: String) async throws {
        let registry = try await RegistryFixture.start()
        var request = try await registry.trustInitialization()
        let foreign = try KeyPair.generate(.ed25519)
        let now = registry.clock.now
        switch what {
        case "root of another registry":
            request.root = try Self.root(
                registry, targets: try registry.key("targets").publicKey, snapshot: foreign.publicKey, now)
        case "online key for targets":
            let snapshot = try PublicKey(json: try await registry.admin.onlineKeys().snapshot)
            let online = try await registry.admin.onlineKeys()
            request.root = try Self.root(
                registry, targets: snapshot, snapshot: snapshot, now,
                timestamp: try PublicKey(json: online.timestamp))
        case "trust document changed": request.trustDocument += " "
        case "director of another":
            (request.targets, request.trustDocument) = try await Self.foreignDirector(registry, foreign, now)
        case "stray role": request.delegated["elsewhere"] = request.delegated["clinic"]
        case "targets signed by another":
            let envelope = try SignedEnvelope(parsing: Array(request.targets.utf8), limit: 1 << 20)
            request.targets = String(
                decoding: try SignedEnvelope.sign(envelope.signed, by: [foreign]).encoded(), as: UTF8.self)
        default: request.root = "not a document"
        }
        await expectProblem(422, code) { try await registry.admin.initializeTrust(request) }
        #expect(try await registry.admin.status().metadataVersions.isEmpty)
        try await registry.initializeTrust()
        await expectProblem(409, "alreadyInitialized") { try await registry.initializeTrust() }
        try await registry.stop()
    }

    private static func root(
        _ registry: RegistryFixture, targets: PublicKey, snapshot: PublicKey, _ now: Timestamp,
        timestamp: PublicKey? = nil
    ) throws -> String {
        let root = try RootMetadata.new(
            expires: now + MetadataLifetime.root,
            roles: [
                .root: ([try registry.key("root").publicKey], 1), .targets: ([targets], 1),
                .snapshot: ([snapshot], 1), .timestamp: ([timestamp ?? snapshot], 1),
            ])
        return String(
            decoding: try SignedEnvelope.sign(root.json, by: [try registry.key("root")]).encoded(), as: UTF8.self)
    }

    private static func foreignDirector(
        _ registry: RegistryFixture, _ foreign: KeyPair, _ now: Timestamp
    ) async throws -> (String, String) {
        let online = try await registry.admin.onlineKeys()
        let document = try TrustDocument(
            directorKeys: [foreign.publicKey.keyID: foreign.publicKey], certificateAuthorities: [online.authority],
            addresses: online.addresses
        ).encoded()
        let targets = try NamespaceLayout("clinic").delegated(
            in: TargetsMetadata(
                expires: now + MetadataLifetime.targets,
                targets: [TrustDocument.path: TargetFile(length: Int64(document.count), digest: Digest.of(document))]),
            keys: [try registry.key("clinic").publicKey], threshold: 1)
        let signed = try SignedEnvelope.sign(targets.json, by: [try registry.key("targets")]).encoded()
        return (String(decoding: signed, as: UTF8.self), String(decoding: document, as: UTF8.self))
    }

    @Test("A release is published only when every byte that it needs is there, and never changes after")
    func content() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let first = try await registry.publish("clinic/triage/1.0.0")
        // The same again is a no-op; the same version with other content is refused.
        let (role, bytes) = try await registry.signed(.add(path: first.path.text, file: first.target))
        _ = try await registry.admin.putRole(role, bytes: bytes)
        let again = try await registry.admin.putRole(role, bytes: bytes)
        #expect(try await registry.admin.status().metadataVersions[role] == again.version)
        let other = try await registry.push("clinic/triage/1.0.0", weights: Array("other weights".utf8))
        await expectProblem(409, "alreadyExists") { try await registry.sign(other) }
        // An index that was never pushed, and one of another version.
        let ghost = TargetFile(length: 10, digest: Digest.of(Array("nothing".utf8)))
        let missing = try await registry.signed(.add(path: "clinic/triage/9.0.0", file: ghost))
        await expectProblem(422, "contentMissing") {
            _ = try await registry.admin.putRole(missing.role, bytes: missing.bytes)
        }
        let moved = try await registry.signed(.add(path: "clinic/triage/8.0.0", file: first.target))
        await expectProblem(422, "versionMismatch") {
            _ = try await registry.admin.putRole(moved.role, bytes: moved.bytes)
        }
        #expect(try await registry.admin.releases().map(\.path) == [first.path])
        try await registry.stop()
    }

    @Test("A manifest whose blobs are missing cannot be pushed, so no release can promise them")
    func missingBlob() async throws {
        let registry = try await RegistryFixture.start()
        await #expect(throws: ClientError.self) {
            _ = try await registry.push("clinic/triage/1.0.0", weights: [1, 2, 3], leavingOutWeights: true)
        }
        try await registry.stop()
    }

    @Test("Two publishers race: the later one is told where the role stands and wins with the next version")
    func race() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.push("clinic/triage/1.0.0", weights: [1])
        let early = try await registry.signed(.add(path: release.path.text, file: release.target))
        _ = try await registry.admin.putRole(early.role, bytes: early.bytes)
        let late = try await registry.signed(.remove(path: release.path.text))
        let stale = TargetsMetadata(version: 2, expires: registry.clock.now + .seconds(86_400))
        let staleBytes = try SignedEnvelope.sign(stale.json, by: [try registry.key("clinic")]).encoded()
        do throws(ClientError) {
            _ = try await registry.admin.putRole(early.role, bytes: staleBytes)
            Issue.record("a stale version was taken")
        } catch {
            #expect(error.status == 409 && error.code == "versionConflict" && error.message.contains("version 2"))
        }
        #expect(try await registry.admin.putRole(late.role, bytes: late.bytes).version == 3)
        try await registry.stop()
    }

    @Test("A role is taken from its owner only: right key, right namespace, right bin")
    func owners() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.push("clinic/triage/1.0.0", weights: [1])
        let edit = PublisherEdit.add(path: release.path.text, file: release.target)
        let good = try await registry.signed(edit)
        let forged = try await registry.signed(edit, by: try KeyPair.generate(.ed25519))
        await expectProblem(422, "badSignature") {
            _ = try await registry.admin.putRole(forged.role, bytes: forged.bytes)
        }
        let stranger = try await registry.operatorClient(role: .publisher, namespaces: ["ward"])
        await expectProblem(403, "forbidden") { _ = try await stranger.putRole(good.role, bytes: good.bytes) }
        await expectProblem(403, "forbidden") { _ = try await stranger.putRole("targets", bytes: good.bytes) }
        await expectProblem(404, "unknownRole") { _ = try await registry.admin.putRole("nobody", bytes: good.bytes) }
        await expectProblem(403, "forbidden") { _ = try await registry.admin.putRole("snapshot", bytes: good.bytes) }
        let bin = try NamespaceLayout("clinic").bin(for: release.path.text)
        let wrong = try #require(try NamespaceLayout("clinic").bins.first { $0 != bin })
        await expectProblem(422, "notDelegated") { _ = try await registry.admin.putRole(wrong, bytes: good.bytes) }
        let publisher = try await registry.operatorClient(role: .publisher, namespaces: ["clinic"])
        _ = try await publisher.putRole(good.role, bytes: good.bytes)
        try await registry.stop()
    }

    @Test("An adapter needs its base published here with the very index that it names")
    func adapters() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let base = try await registry.push("clinic/base/1.0.0", weights: [1, 2])
        let adapter = try await registry.push("clinic/triage/1.0.0", weights: [3], base: base, baseWeights: [1, 2])
        await expectProblem(422, "baseMissing") { try await registry.sign(adapter) }
        try await registry.sign(base)
        try await registry.sign(adapter)
        let info = try await registry.admin.release(adapter.path)
        #expect(info.kind == .adapter && info.base == base.path)
        // A repository holds one kind.
        let model = try await registry.push("clinic/triage/2.0.0", weights: [4])
        await expectProblem(422, "wrongKind") { try await registry.sign(model) }
        try await registry.stop()
    }
}
