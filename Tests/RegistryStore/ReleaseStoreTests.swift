import MartletTypes
import Testing
import Trust

@testable import RegistryStore

@Suite("Releases")
struct ReleaseStoreTests {
    @Test("are immutable: the same again changes nothing, other content under the version is refused")
    func immutable() async throws {
        let fixture = try await StoreFixture()
        let release = try fixture.release("a/b/1.0.0")
        #expect(try await fixture.database.write { try ReleaseStore($0).publish(release, objects: []) })
        #expect(try await !fixture.database.write { try ReleaseStore($0).publish(release, objects: []) })
        var other = release
        other.indexDigest = Digest.of([9])
        let changed = other
        #expect(
            await code {
                try await fixture.database.write { try ReleaseStore($0).publish(changed, objects: []) }
            } == .alreadyExists)
        let kept = try await fixture.database.read { try ReleaseStore($0).find(release.path) }
        #expect(kept == release)
    }

    @Test("of one repository are of one kind")
    func kinds() async throws {
        let fixture = try await StoreFixture()
        try await fixture.publish("a/b/1.0.0")
        #expect(await code { try await fixture.publish("a/b/1.0.1", kind: .adapter, base: "a/c/1.0.0") } == .wrongKind)
        try await fixture.publish("a/b/1.0.1")
    }

    @Test("are blocked online, yanked by their publisher, and published again when signed again")
    func states() async throws {
        let fixture = try await StoreFixture()
        let path = try await fixture.publish("a/b/1.0.0")
        func state() async throws -> ReleaseState? {
            try await fixture.database.read { try ReleaseStore($0).find(path)?.state }
        }
        try await fixture.database.write { try ReleaseStore($0).setBlocked(path, true, reason: "slow") }
        #expect(try await state() == .blocked)
        try await fixture.database.write { try ReleaseStore($0).setYanked(path, true, reason: "wrong") }
        #expect(try await state() == .yanked)
        try await fixture.publish("a/b/1.0.0")
        #expect(try await state() == .blocked)
        try await fixture.database.write { try ReleaseStore($0).setBlocked(path, false, reason: nil) }
        #expect(try await state() == .published)
        let none = try ReleasePath("a/none/1.0.0")
        #expect(
            await code {
                try await fixture.database.write { try ReleaseStore($0).setBlocked(none, true, reason: nil) }
            } == .notFound)
    }

    @Test("keep why they were yanked where they are blocked too, and the other way round")
    func reasons() async throws {
        let fixture = try await StoreFixture()
        let path = try await fixture.publish("a/b/1.0.0")
        func reason() async throws -> String? {
            try await fixture.database.read { try ReleaseStore($0).find(path)?.stateReason }
        }
        try await fixture.database.write { try ReleaseStore($0).setYanked(path, true, reason: "wrong") }
        try await fixture.database.write { try ReleaseStore($0).setBlocked(path, true, reason: "slow") }
        #expect(try await reason() == "wrong")
        try await fixture.publish("a/b/1.0.0")
        #expect(try await reason() == "slow")
        try await fixture.database.write { try ReleaseStore($0).setBlocked(path, false, reason: nil) }
        #expect(try await reason() == nil)
    }

    @Test("have a floor that only a later statement moves, and are named where they run below it")
    func floors() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        var paths: [ReleasePath] = []
        for version in ["1.0.0", "1.2.0", "1.4.0"] { paths.append(try await fixture.publish("a/b/\(version)")) }
        let repository = try RepositoryName("a/b")
        func set(_ version: String, _ number: Int64) async throws {
            let floor = ReleaseFloor(version: try SemanticVersion(version), number: number, reason: "wrong")
            try await fixture.database.write { try FloorStore($0).set(floor, of: repository) }
        }
        try await fixture.assign([try fixture.move(device, "s", [paths[1]])])
        let reported = ReportedSlot(current: [paths[1]], previous: [], generation: 1, serving: true)
        let inventory = InventoryRow(
            profile: "p", agentVersion: "1", document: .null, slots: [try SlotName("s"): reported])
        try await fixture.database.write { try DeviceStore($0).setInventory(device, inventory, now: fixture.now) }
        try await set("1.2.0", 1)
        #expect(try await fixture.database.read { try ReleaseStore($0).stillRunning().isEmpty })
        #expect(await code { try await fixture.assign([try fixture.move(device, "s", [paths[0]])]) } == .conflict)
        #expect(await code { try await set("1.0.0", 1) } == .versionConflict)
        try await set("1.3.0", 2)
        let uses = try await fixture.database.read { try ReleaseStore($0).stillRunning() }
        #expect(uses.map(\.release.path) == [paths[1]] && uses.first?.instead == paths[2])
        #expect(uses.first?.devices == [device])
        let none = try RepositoryName("a/none")
        let floor = ReleaseFloor(version: try SemanticVersion("1.0.0"), number: 1)
        #expect(
            await code { try await fixture.database.write { try FloorStore($0).set(floor, of: none) } } == .notFound)
    }

    @Test("are listed by precedence of their versions, page by page")
    func order() async throws {
        let fixture = try await StoreFixture()
        let sorted = [
            "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-alpha-1",
            "1.0.0-alpha1", "1.0.0-beta", "1.0.0", "1.2.0", "1.10.0", "2.0.0", "18446744073709551615.0.0",
        ]
        let versions = try sorted.map { try SemanticVersion($0) }
        #expect(versions.sorted() == versions)
        for version in sorted.shuffled() { try await fixture.publish("a/b/\(version)") }
        try await fixture.publish("a/a/3.0.0")
        var found: [String] = []
        var last: ReleasePath?
        while true {
            let page = try await fixture.database.read { [last] in try ReleaseStore($0).list(after: last, limit: 4) }
            guard !page.isEmpty else { break }
            found += page.map(\.path.text)
            last = page.last?.path
        }
        #expect(found == ["a/a/3.0.0"] + sorted.map { "a/b/\($0)" })
        let repository = try RepositoryName("a/a")
        #expect(try await fixture.database.read { try ReleaseStore($0).list(repository: repository).count } == 1)
        #expect(try await fixture.database.read { try ReleaseStore($0).count() } == sorted.count + 1)
    }

    @Test("know their aliases and the devices that run them")
    func users() async throws {
        let fixture = try await StoreFixture()
        let path = try await fixture.publish("a/b/1.0.0")
        let next = try await fixture.publish("a/b/1.1.0")
        let device = try await fixture.enrol("pi-1")
        let alias = AliasRow(repository: path.repository, name: try AliasName("stable"), version: path.version)
        try await fixture.database.write { try AliasStore($0).set(alias, now: fixture.now) }
        let inventory = InventoryRow(
            profile: "p", agentVersion: "1", document: .null,
            slots: [
                try SlotName("s"): ReportedSlot(current: [path], generation: 1, serving: true),
                try SlotName("t"): ReportedSlot(current: [path], generation: 1, serving: true),
            ])
        try await fixture.database.write { try DeviceStore($0).setInventory(device, inventory, now: fixture.now) }
        let row = try await fixture.database.read { try ReleaseStore($0).find(path) }
        #expect(row?.devices == 1)
        #expect(row?.aliases == [alias.name])
        let users = try await fixture.database.read {
            try ReleaseStore($0).users(of: path, phase: .current).map(\.slot.text)
        }
        #expect(users == ["s", "t"])
        let moved = AliasRow(repository: path.repository, name: alias.name, version: next.version)
        try await fixture.database.write { try AliasStore($0).set(moved, now: fixture.now) }
        #expect(try await fixture.database.read { try AliasStore($0).resolve(path.repository, alias.name) } == next)
        let none = AliasRow(repository: path.repository, name: alias.name, version: try SemanticVersion("9.9.9"))
        #expect(
            await code { try await fixture.database.write { try AliasStore($0).set(none, now: fixture.now) } }
                == .notFound)
        #expect(try await fixture.database.read { try AliasStore($0).list() } == [moved])
        #expect(try await fixture.database.write { try AliasStore($0).delete(path.repository, alias.name) })
    }
}

@Suite("Manifests")
struct ManifestStoreTests {
    private let repository: RepositoryName
    private let now = Timestamp(seconds: 1)

    init() throws { repository = try RepositoryName("a/b") }

    private func manifest(_ text: String, subject: Digest? = nil) -> StoredManifest {
        let bytes = Array(text.utf8)
        return StoredManifest(
            repository: repository, digest: Digest.of(bytes), mediaType: "application/json", annotations: ["a": "b"],
            subject: subject, bytes: bytes)
    }

    @Test("are kept byte for byte, and only when all that they name is there")
    func references() async throws {
        let fixture = try await StoreFixture()
        let blob = Digest.of([1])
        let manifest = manifest(" {\"x\" : 1}\n")
        let references = [ManifestReference(digest: blob, isManifest: false)]
        #expect(
            await code {
                try await fixture.database.write {
                    try ManifestStore($0).put(manifest, references: references, now: now)
                }
            } == .notFound)
        try await fixture.database.write {
            let store = ManifestStore($0)
            try store.addBlob(repository, blob, size: ByteCount(1), now: now)
            #expect(try store.put(manifest, references: references, now: now))
            #expect(try !store.put(manifest, references: references, now: now))
        }
        #expect(try await fixture.database.read { try ManifestStore($0).find(repository, manifest.digest) } == manifest)
        let index = self.manifest("index")
        let entries = [ManifestReference(digest: manifest.digest, isManifest: true)]
        try await fixture.database.write { _ = try ManifestStore($0).put(index, references: entries, now: now) }
        for digest in [manifest.digest, blob] {
            #expect(
                await code {
                    try await fixture.database.write { sql in
                        _ = try ManifestStore(sql).delete(repository, digest)
                        _ = try ManifestStore(sql).removeBlob(repository, digest)
                    }
                } == .conflict)
        }
        #expect(try await fixture.database.write { try ManifestStore($0).delete(repository, index.digest) })
        #expect(try await fixture.database.write { try ManifestStore($0).delete(repository, manifest.digest) })
        #expect(try await fixture.database.write { try ManifestStore($0).removeBlob(repository, blob) })
        #expect(try await !fixture.database.read { try ManifestStore($0).isBlobUsed(blob) })
    }

    @Test("are tagged; tags move, are listed in byte order, and vanish with the manifest")
    func tags() async throws {
        let fixture = try await StoreFixture()
        let one = manifest("one")
        let two = manifest("two")
        #expect(try await fixture.database.read { try ManifestStore($0).tags(repository, limit: 9) == nil })
        try await fixture.database.write {
            let store = ManifestStore($0)
            for manifest in [one, two] { _ = try store.put(manifest, references: [], now: now) }
            for tag in ["b", "a", "B", "c"] { try store.setTag(repository, tag, to: one.digest, now: now) }
            try store.setTag(repository, "c", to: two.digest, now: now)
        }
        #expect(
            try await fixture.database.read { try ManifestStore($0).tags(repository, limit: 9) } == [
                "B", "a", "b", "c",
            ])
        #expect(
            try await fixture.database.read { try ManifestStore($0).tags(repository, after: "a", limit: 1) } == ["b"])
        #expect(try await fixture.database.read { try ManifestStore($0).tags(repository, after: "z", limit: 1) } == [])
        #expect(try await fixture.database.read { try ManifestStore($0).find(repository, tag: "c") } == two)
        #expect(try await fixture.database.write { try ManifestStore($0).delete(repository, one.digest) })
        #expect(try await fixture.database.read { try ManifestStore($0).tags(repository, limit: 9) } == ["c"])
        #expect(try await fixture.database.write { try ManifestStore($0).deleteTag(repository, "c") })
    }

    @Test("are listed by their subject, known or not")
    func referrers() async throws {
        let fixture = try await StoreFixture()
        let subject = Digest.of([7])
        let about = manifest("about", subject: subject)
        try await fixture.database.write { _ = try ManifestStore($0).put(about, references: [], now: now) }
        #expect(try await fixture.database.read { try ManifestStore($0).referrers(repository, of: subject) } == [about])
        #expect(
            try await fixture.database.read { try ManifestStore($0).referrers(repository, of: Digest.of([8])) } == [])
    }

    @Test("give a repository no blob of another but by a mount")
    func mounts() async throws {
        let fixture = try await StoreFixture()
        let other = try RepositoryName("a/other")
        let blob = Digest.of([1])
        try await fixture.database.write {
            try ManifestStore($0).addBlob(repository, blob, size: ByteCount(9), now: now)
        }
        #expect(try await fixture.database.read { try ManifestStore($0).blobSize(other, blob) } == nil)
        let mounted = try await fixture.database.write {
            try ManifestStore($0).mount(blob, from: repository, to: other, now: now)
        }
        #expect(mounted == ByteCount(9))
        #expect(try await fixture.database.read { try ManifestStore($0).blobSize(other, blob) } == ByteCount(9))
        let absent = try await fixture.database.write {
            try ManifestStore($0).mount(Digest.of([2]), from: repository, to: other, now: now)
        }
        #expect(absent == nil)
    }
}
