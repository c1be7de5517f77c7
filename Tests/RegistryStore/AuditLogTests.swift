import MartletTypes
import Testing
import Trust

@testable import RegistryStore

extension AuditLog {
    /// What a reader of all rows finds who saw `seen` before; nil where the log is whole.
    func finding(seen: AuditCheckpoint? = nil, memory: [Digest] = []) throws -> AuditFinding? {
        var verifier = AuditVerifier(seen: seen) { memory.indices.contains(Int($0) - 1) ? memory[Int($0) - 1] : nil }
        do {
            var page = try rows()
            while let last = page.last {
                try verifier.add(page.map { ($0.entry, try Digest("sha256:" + $0.hash)) })
                page = try rows(after: last.entry.sequence)
            }
            try verifier.finish(try checkpoint(now: Timestamp(seconds: 1)))
            return nil
        } catch let finding as AuditFinding {
            return finding
        }
    }

    /// The hashes of all rows, as a reader remembers them.
    func leaves() throws -> [Digest] { try rows(limit: .max).map { try Digest("sha256:" + $0.hash) } }
}

@Suite("The audit log in the database")
struct AuditLogTests {
    private static let swapped = """
        UPDATE audit SET number = 12 WHERE number = 2;
        UPDATE audit SET number = 2 WHERE number = 3;
        UPDATE audit SET number = 3 WHERE number = 12
        """
    private static let inserted = """
        UPDATE audit SET number = number + 100 WHERE number >= 4;
        UPDATE audit SET number = number - 99 WHERE number >= 100;
        INSERT INTO audit SELECT 4, time, 'mallory', action, subject, detail, hash FROM audit WHERE number = 3
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
        try await fixture.database.read { sql in
            let log = AuditLog(sql)
            let size = try log.size()
            #expect(size == Int64(3 + 2 * Limits.pageRows))
            #expect(try log.finding() == nil)
            let newest = try log.rows(before: nil, limit: 2).map(\.entry.sequence)
            #expect(newest == [size, size - 1])
            let oldest = try log.rows(after: 1, limit: 2).map(\.entry.subject)
            #expect(oldest == ["a/b/1.0.2", "a/b/1.0.3"])
            let proof = try log.inclusionProof(of: 7, in: size)
            let root = try log.checkpoint(now: fixture.now).root
            #expect(AuditTree.isIncluded(try log.leaves()[6], at: 6, in: size, root: root, proof: proof))
            #expect(throws: StoreError(.notFound, "")) { try log.inclusionProof(of: size + 1, in: size + 1) }
            #expect(throws: StoreError(.notFound, "")) { try log.inclusionProof(of: 0, in: size) }
            #expect(throws: StoreError(.notFound, "")) { try log.consistencyProof(from: 3, to: size + 1) }
        }
    }

    @Test(
        "finds rows that were edited, deleted, moved, put in or cut off in the file",
        arguments: [
            ("UPDATE audit SET subject = 'a/b/9.9.9' WHERE number = 3", 3, AuditFinding.Damage.edited),
            ("UPDATE audit SET detail = '{\"n\":7}' WHERE number = 2", 2, .edited),
            ("UPDATE audit SET time = time + 1 WHERE number = 4", 4, .edited),
            ("UPDATE audit SET hash = '\(String(repeating: "0", count: 64))' WHERE number = 1", 1, .edited),
            ("DELETE FROM audit WHERE number = 3", 3, .deleted), ("DELETE FROM audit WHERE number = 1", 1, .deleted),
            ("DELETE FROM audit WHERE number = 5", 5, .truncated), (swapped, 2, .edited), (inserted, 4, .edited),
            ("UPDATE audit_nodes SET hash = '\(String(repeating: "0", count: 64))' WHERE level = 2", nil, .notInTree),
        ] as [(String, Int64?, AuditFinding.Damage)])
    func tampered(_ script: String, _ row: Int64?, _ damage: AuditFinding.Damage) async throws {
        let fixture = try await filled(5)
        let (seen, leaves) = try await fixture.database.read {
            (try AuditLog($0).checkpoint(now: fixture.now), try AuditLog($0).leaves())
        }
        #expect(try await fixture.database.read { try AuditLog($0).finding(seen: seen, memory: leaves) } == nil)
        try await fixture.database.write { try $0.executeScript(script) }
        let finding = try await fixture.database.read { try AuditLog($0).finding(seen: seen, memory: leaves) }
        #expect(finding?.damage == damage && finding?.row == row, "\(finding?.message ?? "nothing")")
        // The log goes on, and what was done to it stays to be found. Only where rows were put in does it stop: the
        // tree has nothing for them that a next row could stand on.
        var broken: (any Error)?
        do {
            try await fixture.database.write {
                _ = try AuditLog($0).append(actor: "a", action: "b", subject: "c", now: fixture.now)
            }
        } catch {
            broken = error
        }
        #expect((broken as? StoreError)?.kind == (script == Self.inserted ? .auditBroken : nil))
        #expect(try await fixture.database.read { try AuditLog($0).finding(seen: seen, memory: leaves) } != nil)
    }

    @Test("finds a log that was written anew with right hashes, by what was seen before")
    func rewritten() async throws {
        let fixture = try await filled(9)
        let (seen, leaves) = try await fixture.database.read {
            (try AuditLog($0).checkpoint(now: fixture.now), try AuditLog($0).leaves())
        }
        try await fixture.database.write { sql in
            let rows = try AuditLog(sql).rows()
            try sql.executeScript("DELETE FROM audit; DELETE FROM audit_nodes")
            for row in rows {
                let actor = row.entry.sequence == 4 ? "mallory" : row.entry.actor
                try AuditLog(sql).append(
                    actor: actor, action: row.entry.action, subject: row.entry.subject, detail: row.entry.detail,
                    now: row.entry.time)
            }
        }
        try await fixture.database.read { sql in
            let log = AuditLog(sql)
            #expect(try log.finding() == nil, "who sees it for the first time cannot know")
            #expect(try log.finding(seen: seen, memory: leaves) == AuditFinding(.rewritten, row: 4, ""))
            let now = try log.checkpoint(now: fixture.now)
            #expect(!AuditTree.isConsistent(from: seen.size, seen.root, to: now.size, now.root, proof: []))
        }
    }

    @Test("says which rows a lost node of the tree covered")
    func lostNode() async throws {
        let fixture = try await filled(5)
        try await fixture.database.write { try $0.executeScript("DELETE FROM audit_nodes WHERE level = 2") }
        let error = await #expect(throws: StoreError.self) {
            try await fixture.database.read { _ = try AuditLog($0).checkpoint(now: fixture.now) }
        }
        #expect(error?.kind == .auditBroken && error?.message.contains("rows 1 to 4") == true)
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
        #expect(try await fixture.database.read { try AuditLog($0).size() } == 1)
    }
}
