import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization
import TUF
import TestSupport
import Testing
import Trust

@testable import Publishing

@Suite("Trust from the owner's side")
struct OwnerTrustTests {
    @Test("the first trust names director, authority and addresses, and only public halves")
    func ceremony() async throws {
        try await withFixture { fixture in
            let tuf = try fixture.context().tuf
            try await tuf.refresh(now: PublishingFixture.now)
            let target = try #require(try await tuf.target(TrustDocument.path))
            #expect(target.length > 100)
            let root = try await TrustAnchor.root(http: fixture.http, expecting: .of(fixture.root))
            #expect(root == fixture.root)
            #expect(!String(decoding: root, as: UTF8.self).contains("PRIVATE"))
            let wrong = await code { _ = try await TrustAnchor.root(http: fixture.http, expecting: .of([1])) }
            #expect(wrong == "rootMismatch")
            let online = await tuf.rootKeys(for: .targets)
            #expect(Array(online.keys.keys) == [fixture.owner.publicKey.keyID])
        }
    }

    @Test("a new device learns the authority from the join token alone, or is told what does not fit")
    func bootstrap() async throws {
        try await withFixture { fixture in
            let authority = Array(fixture.registry.authority.utf8)
            let fingerprint = try CertificateFacts(authority).sha256Fingerprint
            func token(_ root: Digest, _ fingerprint: String) throws -> JoinToken {
                JoinToken(
                    registry: try fixture.registry.origin.text, rootDigest: root, caFingerprint: fingerprint,
                    secret: "s")
            }
            let store = InMemoryMetadataStore()
            let result = try await TrustBootstrap.run(
                token: try token(.of(fixture.root), fingerprint), store: store, now: PublishingFixture.now)
            #expect(result.root == fixture.root)
            #expect(result.authorityPEM == authority)
            #expect(result.trust.directorKeys.keys.first == fixture.registry.directorKey.publicKey.keyID)
            #expect(store.load("timestamp") != nil)
            let otherRoot = await code {
                _ = try await TrustBootstrap.run(
                    token: try token(.of([]), fingerprint), store: store, now: PublishingFixture.now)
            }
            #expect(otherRoot == "digestMismatch")
            let otherAuthority = await code {
                _ = try await TrustBootstrap.run(
                    token: try token(.of(fixture.root), "00"), store: store, now: PublishingFixture.now)
            }
            #expect(otherAuthority == "certificateUntrusted")
            #expect(fixture.registry.state.withLock { !$0.log.contains { $0.contains("enrol") } })
        }
    }

    @Test("a registry whose own facts make no sense is not signed for")
    func badRegistry() throws {
        let key = try KeyPair.generate(.ed25519)
        let made = try CertificateAuthority.make(
            name: "test", key: key, now: PublishingFixture.now, valid: .seconds(86_400))
        let authority = String(decoding: made.certificatePEM, as: UTF8.self)
        for (authority, addresses) in [("no certificate", ["https://a"]), (authority, []), (authority, ["ftp://a"])] {
            let online = OnlineKeys(
                snapshot: key.publicKey.json, timestamp: key.publicKey.json, director: key.publicKey.json,
                authority: authority, addresses: addresses)
            #expect(throws: (any Error).self) {
                try TrustCeremony.make(
                    online: online, root: [key], rootThreshold: 1, targets: [key], targetsThreshold: 1, namespaces: [],
                    blobOrigins: [], now: PublishingFixture.now)
            }
        }
    }

    @Test("a namespace delegated later can be published into, and delegating again changes nothing")
    func delegation() async throws {
        try await withFixture { fixture in
            let lawyer = try KeyPair.generate(.ed25519)
            let legal = NamespaceSigners(namespace: "legal", key: lawyer)
            let delegation = NamespaceDelegation(context: try fixture.context([fixture.owner]))
            #expect(try await delegation.run(legal) != nil)
            let request = try fixture.request("legal/base:1.0.0", ["tiny-v1.Q4_0.gguf"])
            let result = try await fixture.publish(request, signers: [lawyer])
            #expect(result.outcome == .published)
            let versions = fixture.registry.state.withLock { $0.roles.mapValues(\.version) }
            #expect(try await delegation.run(legal) == nil)
            #expect(fixture.registry.state.withLock { $0.roles.mapValues(\.version) } == versions)
            let again = try await fixture.publish(request, signers: [lawyer])
            #expect(again.outcome == .unchanged)
            _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
        }
    }

    @Test("a withdrawn release is no target any more, and can be withdrawn once")
    func yank() async throws {
        try await withFixture { fixture in
            let release = try ReleasePath("clinic/base/1.0.0")
            _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            try await Yank(context: try fixture.context()).run(release)
            let tuf = try fixture.context().tuf
            try await tuf.refresh(now: PublishingFixture.now)
            let target = try await tuf.target(release.text)
            #expect(target == nil)
            let again = await code { try await Yank(context: try fixture.context()).run(release) }
            #expect(again == "unknownRelease")
        }
    }

    @Test("keys are made once, readable by their owner only, and opened again")
    func keys() throws {
        let folder = try TemporaryFolder()
        let keys = OfflineKeys(folder: folder.file("a/keys"))
        let secret = Array("a passphrase".utf8)
        let made = try keys.open("root", passphrase: { secret }, newPassphrase: { secret })
        #expect(try keys.open("root", passphrase: { secret }, newPassphrase: { secret }).publicKey == made.publicKey)
        #expect(throws: TrustError.self) {
            try keys.open("root", passphrase: { Array("wrong".utf8) }, newPassphrase: { secret })
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: keys.path("root"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("a/keys")) == ["root.pem"])
        let text = try String(contentsOfFile: keys.path("root"), encoding: .utf8)
        #expect(text.contains("ENCRYPTED PRIVATE KEY"))
    }
}

@Suite("Release draft")
struct ReleaseDraftTests {
    @Test(
        "numbers of parameters read as people write them",
        arguments: [
            (999, "999"), (135_000_000, "135M"), (134_515_008, "135M"), (1_710_000_000, "1.7B"), (7_000_000_000, "7B"),
            (1_300_000, "1.3M"), (10_500_000, "11M"), (999_960_000, "1000M"),
        ])
    func paramSize(count: Int64, text: String) {
        #expect(ReleaseDraft.paramSize(count) == text)
    }
}
