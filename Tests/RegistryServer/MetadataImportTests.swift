import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import TestSupport
import Testing
import Trust

/// Metadata that comes from another registry of the same owner, as `martlet import` sends it.
@Suite("Import of metadata")
struct MetadataImportTests {
    /// What a bundle of a registry would bring.
    private func metadata(of registry: RegistryFixture) async throws -> MetadataImport {
        let versions = try await registry.admin.status().metadataVersions
        func file(_ name: String) async throws -> String {
            String(decoding: try await registry.call(.get, "/tuf/" + name).body, as: UTF8.self)
        }
        var roles: [String: String] = [:]
        for (role, version) in versions where !["root", "snapshot", "timestamp"].contains(role) {
            roles[role] = try await file("\(version).\(role).json")
        }
        let fetcher = HTTPMetadataFetcher(http: registry.admin.api.http)
        let root = try await file("1.root.json")
        let tuf = try TUFClient(trustedRoot: Array(root.utf8), fetcher: fetcher, store: InMemoryMetadataStore())
        try await tuf.refresh(now: registry.clock.now)
        let document = try #require(try await tuf.target(TrustDocument.path))
        return MetadataImport(
            roots: [root], roles: roles,
            trustDocument: String(decoding: try await fetcher.target(TrustDocument.path, document), as: UTF8.self),
            snapshot: try await file("\(versions["snapshot"] ?? 0).snapshot.json"),
            timestamp: try await file("timestamp.json"))
    }

    /// An empty registry that holds the same online keys.
    private func standby(of registry: RegistryFixture) async throws -> RegistryFixture {
        let folder = try TemporaryFolder("standby")
        try FileManager.default.createDirectory(
            atPath: folder.file("data"), withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: registry.folder.file("data/keys"), toPath: folder.file("data/keys"))
        for name in ["root.pem", "targets.pem", "clinic.pem"] {
            try FileManager.default.copyItem(atPath: registry.folder.file(name), toPath: folder.file(name))
        }
        return try await RegistryFixture.start(on: folder)
    }

    private func online(_ registry: RegistryFixture) async throws -> (snapshot: Int64, timestamp: Int64) {
        let versions = try await registry.admin.status().metadataVersions
        return (versions["snapshot"] ?? 0, versions["timestamp"] ?? 0)
    }

    @Test("An empty registry goes on above what devices have seen of the first one, and they follow it")
    func above() async throws {
        let first = try await RegistryFixture.start()
        try await first.initializeTrust()
        for number in 1...5 { try await first.publish("clinic/triage/\(number).0.0") }
        let store = InMemoryMetadataStore()
        let root = try await first.call(.get, "/tuf/1.root.json").body
        let before = try TUFClient(
            trustedRoot: root, fetcher: HTTPMetadataFetcher(http: first.admin.api.http), store: store)
        try await before.refresh(now: first.clock.now)
        let bundle = try await metadata(of: first)
        // The first registry goes on after the bundle was made; the device sees that too.
        _ = try await first.admin.signOffline(OfflineRequest(validSeconds: 7200))
        try await before.refresh(now: first.clock.now)
        let seen = try await online(first)

        let second = try await standby(of: first)
        let receipt = try await second.admin.importMetadata(bundle)
        #expect(receipt.roles.contains("clinic"))
        let versions = try await online(second)
        #expect(versions.snapshot > seen.snapshot && versions.timestamp > seen.timestamp, "\(versions) \(seen)")
        let device = try TUFClient(
            trustedRoot: root, fetcher: HTTPMetadataFetcher(http: second.admin.api.http), store: store)
        try await device.refresh(now: second.clock.now)
        #expect(try await device.target("clinic/triage/5.0.0") != nil)
        // The same again changes nothing, and neither does what is older than what stands.
        _ = try await second.admin.importMetadata(bundle)
        #expect(try await online(second) == versions)
        // Back again, the first one is told how far the second is.
        let back = try await metadata(of: second)
        _ = try await first.admin.importMetadata(back)
        #expect(try await online(first) > versions)
        #expect(try await first.admin.audit().contains { $0.action == "tuf.import" && $0.subject == "snapshot" })
        try await first.stop()
        try await second.stop()
    }

    @Test("Roles that an import does not bring stay named, so that devices that have seen them follow all the same")
    func named() async throws {
        let first = try await RegistryFixture.start()
        try await first.initializeTrust()
        let release = try await first.publish("clinic/triage/1.0.0")
        let store = InMemoryMetadataStore()
        let root = try await first.call(.get, "/tuf/1.root.json").body
        let before = try TUFClient(
            trustedRoot: root, fetcher: HTTPMetadataFetcher(http: first.admin.api.http), store: store)
        try await before.refresh(now: first.clock.now)
        #expect(try await before.target(release.path.text) != nil)
        let (bin, next) = try await first.signed(.remove(path: release.path.text))
        var whole = try await metadata(of: first)
        whole.roles = whole.roles.filter { !$0.key.contains("-bin-") || $0.key == bin }
        var without = whole
        without.roles[bin] = nil

        let second = try await standby(of: first)
        _ = try await second.admin.importMetadata(without)
        let versions = try await online(second)
        _ = try await second.admin.importMetadata(without)
        #expect(try await online(second) == versions, "the same again changes nothing")
        let device = try TUFClient(
            trustedRoot: root, fetcher: HTTPMetadataFetcher(http: second.admin.api.http), store: store)
        try await device.refresh(now: second.clock.now)
        #expect(await device.namedRoles.keys.sorted() == (await before.namedRoles.keys.sorted()))
        // Also what is signed later names them.
        let offline = try await second.admin.signOffline(OfflineRequest(validSeconds: 7200))
        #expect(offline.snapshot.contains("\"\(bin).json\""))
        try await device.refresh(now: second.clock.now)
        // Nobody can go on from what is not here.
        await expectProblem(409, "roleNotHere") { _ = try await second.admin.putRole(bin, bytes: next) }
        // It comes with a later import, but not in a version below the one that devices know of.
        _ = try await first.admin.putRole(bin, bytes: next)
        var late = try await metadata(of: first)
        late.roles = without.roles
        _ = try await second.admin.importMetadata(late)
        #expect(try await second.admin.importMetadata(whole).roles.isEmpty)
        try await device.refresh(now: second.clock.now)
        _ = try await second.admin.importMetadata(try await metadata(of: first))
        try await device.refresh(now: second.clock.now)
        #expect(try await device.target(release.path.text) == nil)
        try await first.stop()
        try await second.stop()
    }

    @Test("Versions count only where the registry's own keys signed them, and nobody uses them up")
    func forged() async throws {
        let first = try await RegistryFixture.start()
        try await first.initializeTrust()
        let good = try await metadata(of: first)
        let second = try await standby(of: first)
        func timestamp(_ version: Int, by key: KeyPair) throws -> String {
            let metadata = MetadataRepository.timestamp(
                version: version, now: first.clock.now, snapshotVersion: 1, snapshotBytes: Array("{}".utf8))
            return String(decoding: try SignedEnvelope.sign(metadata.json, by: [key]).encoded(), as: UTF8.self)
        }
        var forged = good
        forged.timestamp = try timestamp(7, by: .generate(.ed25519))
        await expectProblem(422, "badSignature") { _ = try await second.admin.importMetadata(forged) }
        let file = first.folder.file("data/keys/timestamp.pem")
        let key = try KeyPair(pem: Array(try #require(FileManager.default.contents(atPath: file))))
        forged.timestamp = try timestamp(9_007_199_254_740_990, by: key)
        await expectProblem(422, "versionsUsedUp") { _ = try await second.admin.importMetadata(forged) }
        #expect(try await second.admin.status().metadataVersions.isEmpty, "nothing of a refused import is kept")
        var without = good
        (without.snapshot, without.timestamp) = (nil, nil)
        _ = try await second.admin.importMetadata(without)
        #expect(try await online(second) == (1, 1))
        try await first.stop()
        try await second.stop()
    }
}
