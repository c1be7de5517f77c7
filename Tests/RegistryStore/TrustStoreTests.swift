import MartletTypes
import Testing
import Trust

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

@Suite("The audit log in the database")
struct AuditLogTests {
    private static let swapped = """
        UPDATE audit SET number = 12 WHERE number = 2;
        UPDATE audit SET number = 2 WHERE number = 3;
        UPDATE audit SET number = 3 WHERE number = 12
        """

    private func filled(_ rows: Int) async throws -> StoreFixture {
        let fixture = try await StoreFixture()
        for number in 1...rows {
            try await fixture.database.write {
                _ = try AuditLog($0).append(
                    actor: "ann", action: "release.publish", subject: "a/b/1.0.\(number)",
                    detail: .object(["n": .integer(Int64(number))]), now: fixture.now)
            }
        }
        return fixture
    }

    private func verdict(_ fixture: StoreFixture, _ known: AuditChain.Head? = nil) async throws -> AuditChain.Verdict {
        try await fixture.database.read { try AuditLog($0).verify(containing: known) }
    }

    @Test("is whole after many writers, and over more than a page")
    func intact() async throws {
        let fixture = try await filled(3)
        let other = try fixture.reopened()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for database in [fixture.database, other] {
                group.addTask {
                    try await database.write { sql in
                        for _ in 0..<Limits.pageRows {
                            try AuditLog(sql).append(actor: "b", action: "x", subject: "y", now: fixture.now)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let head = try await fixture.database.read { try AuditLog($0).head() }
        #expect(head.sequence == Int64(3 + 2 * Limits.pageRows))
        #expect(try await verdict(fixture, head) == .intact(head))
        let newest = try await fixture.database.read { try AuditLog($0).rows(before: nil, limit: 2).map(\.sequence) }
        #expect(newest == [head.sequence, head.sequence - 1])
        let oldest = try await fixture.database.read { try AuditLog($0).rows(after: 1, limit: 2).map(\.subject) }
        #expect(oldest == ["a/b/1.0.2", "a/b/1.0.3"])
    }

    @Test(
        "finds rows that were edited, deleted, moved or cut off in the file",
        arguments: [
            ("UPDATE audit SET subject = 'a/b/9.9.9' WHERE number = 3", 3, AuditChain.Damage.edited),
            ("UPDATE audit SET detail = '{\"n\":7}' WHERE number = 2", 2, .edited),
            ("UPDATE audit SET time = time + 1 WHERE number = 4", 4, .edited),
            ("DELETE FROM audit WHERE number = 3", 3, .deleted),
            ("DELETE FROM audit WHERE number = 1", 1, .deleted),
            ("DELETE FROM audit WHERE number = 5", 5, .truncated),
            (swapped, 2, .edited),
        ])
    func tampered(_ script: String, _ sequence: Int64, _ damage: AuditChain.Damage) async throws {
        let fixture = try await filled(5)
        let head = try await fixture.database.read { try AuditLog($0).head() }
        #expect(try await verdict(fixture, head) == .intact(head))
        try await fixture.database.write { try $0.executeScript(script) }
        #expect(try await verdict(fixture, head) == .broken(sequence: sequence, damage))
    }

    @Test("has no row for a change that was taken back")
    func atomic() async throws {
        let fixture = try await filled(1)
        _ = await code {
            try await fixture.database.write { sql in
                try AuditLog(sql).append(actor: "a", action: "b", subject: "c", now: fixture.now)
                throw StoreError(.conflict, "")
            }
        }
        #expect(try await fixture.database.read { try AuditLog($0).head().sequence } == 1)
    }
}
