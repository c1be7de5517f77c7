import MartletTypes
import Testing

@testable import RegistryStore

@Suite("TUF metadata")
struct MetadataStoreTests {
    private let now = Timestamp(seconds: 1)

    private func metadata(_ version: Int64, _ bytes: [UInt8] = [1], role: String = "targets") -> StoredMetadata {
        StoredMetadata(role: role, version: version, bytes: bytes, expires: Timestamp(seconds: 100 + version))
    }

    @Test("moves by compare and swap: of two who saw the same version one wins")
    func compareAndSwap() async throws {
        let fixture = try await StoreFixture()
        func put(_ metadata: StoredMetadata, _ expected: Int64?) async -> StoreError.Code? {
            await code {
                try await fixture.database.write { try MetadataStore($0).put(metadata, replacing: expected, now: now) }
            }
        }
        #expect(await put(metadata(1), 3) == .versionConflict)
        #expect(await put(metadata(1), nil) == nil)
        #expect(await put(metadata(2, [2]), 1) == nil)
        #expect(await put(metadata(2, [3]), 1) == .versionConflict)
        #expect(await put(metadata(2, [3]), 2) == .versionConflict)
        #expect(await put(metadata(1, [9]), 2) == .versionConflict)
        #expect(try await fixture.database.read { try MetadataStore($0).current("targets") } == metadata(2, [2]))
        #expect(try await fixture.database.read { try MetadataStore($0).find("targets", version: 1) } == metadata(1))
        #expect(try await fixture.database.read { try MetadataStore($0).find("targets", version: 3) } == nil)
        #expect(try await fixture.database.read { try MetadataStore($0).current("none") } == nil)
    }

    @Test("concurrent publishers on two replicas never lose each other's version")
    func concurrent() async throws {
        let fixture = try await StoreFixture()
        let other = try fixture.reopened()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for database in [fixture.database, other] {
                group.addTask {
                    for _ in 0..<15 {
                        while true {
                            let seen = try await database.read { try MetadataStore($0).currentVersion(of: "bin") }
                            let next = metadata((seen ?? 0) + 1, role: "bin")
                            let refused = await code {
                                try await database.write { try MetadataStore($0).put(next, replacing: seen, now: now) }
                            }
                            if refused == nil { break }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.database.read { try MetadataStore($0).currentVersion(of: "bin") } == 30)
    }

    @Test("lists what is current for the snapshot, and keeps other targets by path and digest")
    func listing() async throws {
        let fixture = try await StoreFixture()
        try await fixture.database.write {
            try MetadataStore($0).put(metadata(1, [1, 2], role: "b"), replacing: nil, now: now)
            try MetadataStore($0).put(metadata(1, [1], role: "a"), replacing: nil, now: now)
            try MetadataStore($0).putTarget("martlet/trust.json", [5], now: now)
            try MetadataStore($0).putTarget("martlet/trust.json", [6], now: now)
        }
        let versions = try await fixture.database.read {
            try MetadataStore($0).versions().map { "\($0.role) \($0.length)" }
        }
        #expect(versions == ["a 1", "b 2"])
        #expect(
            try await fixture.database.read { try MetadataStore($0).target("martlet/trust.json", Digest.of([5])) } == [
                5
            ])
        #expect(
            try await fixture.database.read { try MetadataStore($0).target("martlet/trust.json", Digest.of([7])) }
                == nil)
    }
}
