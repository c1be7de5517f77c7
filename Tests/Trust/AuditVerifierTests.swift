import MartletTypes
import TUF
import Testing
import Trust

@Suite("Audit verification")
struct AuditVerifierTests {
    typealias Row = (entry: AuditEntry, hash: Digest)

    static func row(_ number: Int64, actor: String = "alice", detail: JSONValue = .object([:])) throws -> Row {
        let entry = AuditEntry(
            sequence: number, time: Timestamp(seconds: 1_800_000_000 + number), actor: actor,
            action: "release.publish", subject: "clinic/triage/1.\(number).0", detail: detail)
        return (entry, try entry.leafHash())
    }

    static func rows(_ count: Int64, from first: Int64 = 1) throws -> [Row] {
        try (first...count).map { try row($0) }
    }

    static func checkpoint(_ rows: [Row]) -> AuditCheckpoint {
        var frontier = AuditFrontier()
        for row in rows { frontier.append(row.hash) }
        return AuditCheckpoint(size: frontier.size, root: frontier.root, time: Timestamp(seconds: 1_900_000_000))
    }

    /// What checking `rows` against `checkpoint` finds; nil for nothing.
    static func finding(
        _ rows: [Row], _ checkpoint: AuditCheckpoint, seen: AuditCheckpoint? = nil, memory: [Digest] = []
    ) -> AuditFinding? {
        var verifier = AuditVerifier(seen: seen) { number in
            number <= Int64(memory.count) ? memory[Int(number) - 1] : nil
        }
        do {
            try verifier.add(rows)
            try verifier.finish(checkpoint)
            return nil
        } catch {
            return error
        }
    }

    @Test("an untouched log is whole, in one piece and in pages")
    func intact() throws {
        let rows = try Self.rows(10)
        let checkpoint = Self.checkpoint(rows)
        #expect(Self.finding(rows, checkpoint) == nil)
        #expect(
            Self.finding(rows, checkpoint, seen: Self.checkpoint(Array(rows[..<4])), memory: rows.map(\.hash)) == nil)
        #expect(Self.finding([], Self.checkpoint([])) == nil)
        var verifier = AuditVerifier()
        for row in rows { try verifier.add([row]) }
        try verifier.finish(checkpoint)
        #expect(verifier.leaves == rows.map(\.hash))
    }

    @Test("a row that was edited, deleted, moved, doubled or put in is named", arguments: 0..<10)
    func damaged(at index: Int) throws {
        let rows = try Self.rows(10)
        let checkpoint = Self.checkpoint(rows)
        let number = Int64(index + 1)
        var edited = rows
        edited[index].entry = try Self.row(number, actor: "mallory").entry
        #expect(Self.finding(edited, checkpoint) == AuditFinding(.edited, row: number, ""))
        var deleted = rows
        deleted.remove(at: index)
        #expect(
            Self.finding(deleted, checkpoint) == AuditFinding(index == 9 ? .truncated : .deleted, row: number, ""))
        var swapped = rows
        swapped.swapAt(index, (index + 1) % 10)
        #expect(Self.finding(swapped, checkpoint) == AuditFinding(.reordered, row: index == 9 ? 1 : number, ""))
        var doubled = rows
        doubled.insert(rows[index], at: index + 1)
        #expect(Self.finding(doubled, checkpoint) == AuditFinding(.reordered, row: number, ""))
        var inserted = rows
        inserted.insert(try Self.row(number, actor: "mallory"), at: index)
        #expect(Self.finding(inserted, checkpoint) == AuditFinding(.reordered, row: number, ""))
    }

    @Test("a log written anew with right hashes is found by what was seen before, at the first row that differs")
    func rewritten() throws {
        let rows = try Self.rows(10)
        let seen = Self.checkpoint(Array(rows[..<6]))
        var forged = rows
        forged[3] = try Self.row(4, actor: "mallory")
        let checkpoint = Self.checkpoint(forged)
        #expect(Self.finding(forged, checkpoint) == nil, "who sees the log for the first time cannot know")
        #expect(
            Self.finding(forged, checkpoint, seen: seen, memory: rows[..<6].map(\.hash))
                == AuditFinding(.rewritten, row: 4, ""))
        #expect(
            Self.finding(forged, checkpoint, seen: seen) == AuditFinding(.rewritten, row: 1, ""),
            "without the hashes only the rows up to 6 can be named")
        #expect(
            Self.finding(Array(rows[..<5]), Self.checkpoint(Array(rows[..<5])), seen: seen)
                == AuditFinding(.truncated, row: 6, ""))
        #expect(
            Self.finding(forged, Self.checkpoint(rows), seen: seen) == AuditFinding(.rewritten, row: 1, ""))
        var later = rows
        later[8] = try Self.row(9, actor: "mallory")
        #expect(
            Self.finding(later, Self.checkpoint(rows), seen: seen, memory: rows[..<6].map(\.hash))
                == AuditFinding(.notInTree, row: 7, ""))
    }

    @Test("a checkpoint counts only when enough of the director's keys signed that very document")
    func checkpoints() throws {
        let (ours, theirs) = (try KeyPair.generate(.ed25519), try KeyPair.generate(.ed25519))
        let keys = [ours.publicKey.keyID: ours.publicKey]
        let checkpoint = Self.checkpoint(try Self.rows(3))
        let bytes = try checkpoint.signed(by: [ours]).encoded()
        #expect(try AuditCheckpoint.verify(bytes, keys: keys, threshold: 1) == checkpoint)
        let other = JSONValue.object([
            "_type": .string("martlet-assignment"), "size": .integer(3), "root": .string(checkpoint.root.text),
            "time": .string(checkpoint.time.description),
        ])
        let refused: [[UInt8]] = [
            try checkpoint.signed(by: [theirs]).encoded(), Array("{}".utf8), [], Array(bytes.dropLast(4)),
            Array(String(decoding: bytes, as: UTF8.self).replacing("\"size\":3", with: "\"size\":2").utf8),
            try SignedEnvelope.sign(other, by: [ours]).encoded(),
            [UInt8](repeating: 32, count: TrustLimits.auditCheckpointBytes + 1),
        ]
        for bytes in refused {
            #expect(throws: AuditFinding(.unsigned, row: nil, "")) {
                try AuditCheckpoint.verify(bytes, keys: keys, threshold: 1)
            }
        }
        #expect(throws: AuditFinding(.unsigned, row: nil, "")) {
            try AuditCheckpoint.verify(bytes, keys: keys, threshold: 2)
        }
    }

    @Test("a row with a fraction or of excessive length is refused")
    func badRow() throws {
        for detail in [JSONValue.number(0.5), .string(String(repeating: "x", count: TrustLimits.auditRowBytes))] {
            #expect(throws: TrustError(.badAuditEntry, "")) { try Self.row(1, detail: detail) }
        }
    }
}
