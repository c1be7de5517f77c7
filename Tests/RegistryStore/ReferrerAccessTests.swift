import MartletTypes
import RegistryStore
import Testing

@Suite("What is kept beside a manifest")
struct ReferrerAccessTests {
    @Test("a device reads what is about a manifest that it may read, with its blobs, and nothing about others")
    func access() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let repository = try RepositoryName("a/b")
        let (named, foreign) = (Digest.of([1]), Digest.of([2]))
        let path = try await fixture.publish("a/b/1.0.0", objects: [named])
        try await fixture.publish("a/b/2.0.0", objects: [foreign])
        try await fixture.assign([try fixture.move(device, "s", [path])])
        let config = Array("{}".utf8)
        /// A referrer with one blob of its own, beside a configuration that all share.
        func attach(_ text: String, to subject: Digest?, in repository: RepositoryName = repository) async throws -> (
            manifest: Digest, blob: Digest
        ) {
            let (blob, bytes) = (Digest.of(Array(text.utf8)), Array(("manifest of " + text).utf8))
            let manifest = StoredManifest(
                repository: repository, digest: .of(bytes), mediaType: "application/vnd.oci.image.manifest.v1+json",
                artifactType: "text/plain", subject: subject, bytes: bytes)
            try await fixture.database.write { sql in
                let store = ManifestStore(sql)
                try store.addBlob(repository, .of(config), size: ByteCount(2), now: fixture.now)
                try store.addBlob(repository, blob, size: ByteCount(text.utf8.count), now: fixture.now)
                try store.put(
                    manifest,
                    references: [
                        ManifestReference(digest: .of(config), isManifest: false),
                        ManifestReference(digest: blob, isManifest: false),
                    ], now: fixture.now)
            }
            return (manifest.digest, blob)
        }
        func may(_ digest: Digest, in repository: RepositoryName = repository) async throws -> Bool {
            try await fixture.database.read { try ReadAccess($0).mayRead(device, repository, digest) }
        }
        let signature = try await attach("signature", to: named)
        let other = try await attach("signature of another", to: foreign)
        let loose = try await attach("about nothing", to: nil)
        let elsewhere = try RepositoryName("a/elsewhere")
        let copy = try await attach("signature elsewhere", to: named, in: elsewhere)
        let further = try await attach("about the signature", to: signature.manifest)
        for digest in [signature.manifest, signature.blob, .of(config)] { #expect(try await may(digest)) }
        for digest in [other.manifest, other.blob, loose.manifest, loose.blob, copy.blob, further.blob] {
            #expect(try await !may(digest))
        }
        #expect(try await !may(copy.blob, in: elsewhere))
        try await fixture.database.write { try DeviceStore($0).revoke(device, reason: "", now: fixture.now) }
        #expect(try await !may(signature.blob))
    }
}
