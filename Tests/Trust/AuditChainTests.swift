import MartletTypes
import Testing
import Trust

@Suite("Audit chain")
struct AuditChainTests {
    static func chain(_ count: Int) throws -> [AuditEntry] {
        var rows: [AuditEntry] = []
        var head = AuditChain.Head.empty
        for index in 0..<count {
            let row = try AuditChain.entry(
                after: head, time: Timestamp(seconds: Int64(1_800_000_000 + index)), actor: "alice",
                action: "release.publish", subject: "clinic/triage:1.\(index).0",
                detail: .object(["bytes": .integer(Int64(index))]))
            rows.append(row)
            head = AuditChain.Head(sequence: row.sequence, hash: row.hash)
        }
        return rows
    }

    private static func with(_ row: AuditEntry, actor: String? = nil, hash: String? = nil, previous: String? = nil)
        -> AuditEntry
    {
        AuditEntry(
            sequence: row.sequence, time: row.time, actor: actor ?? row.actor, action: row.action, subject: row.subject,
            detail: row.detail, previousHash: previous ?? row.previousHash, hash: hash ?? row.hash)
    }

    @Test("an untouched chain is intact up to its head, whole and in parts")
    func intact() throws {
        let rows = try Self.chain(10)
        let head = AuditChain.Head(sequence: 10, hash: rows[9].hash)
        #expect(AuditChain.verify(rows) == .intact(head))
        #expect(AuditChain.verify(rows, containing: head) == .intact(head))
        let middle = AuditChain.Head(sequence: 4, hash: rows[3].hash)
        #expect(AuditChain.verify(Array(rows[4...]), after: middle) == .intact(head))
        #expect(AuditChain.verify([]) == .intact(.empty))
        #expect(rows[0].previousHash == AuditChain.genesis)
    }

    @Test("every row that is edited, deleted, or swapped with the next is found at its place", arguments: 0..<8)
    func damage(index: Int) throws {
        let rows = try Self.chain(9)
        var edited = rows
        edited[index] = Self.with(rows[index], actor: "mallory")
        #expect(AuditChain.verify(edited) == .broken(sequence: Int64(index + 1), .edited))
        var deleted = rows
        deleted.remove(at: index)
        #expect(AuditChain.verify(deleted) == .broken(sequence: Int64(index + 1), .deleted))
        var swapped = rows
        swapped.swapAt(index, index + 1)
        #expect(AuditChain.verify(swapped) == .broken(sequence: Int64(index + 1), .reordered))
        var doubled = rows
        doubled.insert(rows[index], at: index + 1)
        #expect(AuditChain.verify(doubled) == .broken(sequence: Int64(index + 2), .reordered))
    }

    @Test("a row that is edited and hashed anew breaks the row after it")
    func rehashed() throws {
        var rows = try Self.chain(5)
        let forged = Self.with(rows[2], actor: "mallory")
        rows[2] = Self.with(forged, hash: try forged.computedHash())
        #expect(AuditChain.verify(rows) == .broken(sequence: 4, .relinked))
    }

    @Test("a chain that was forged to its end, or cut off, contradicts a head that was kept elsewhere")
    func knownHead() throws {
        let rows = try Self.chain(5)
        let head = AuditChain.Head(sequence: 5, hash: rows[4].hash)
        #expect(AuditChain.verify(Array(rows.dropLast(2)), containing: head) == .broken(sequence: 4, .truncated))
        var forged = Array(rows.prefix(4))
        forged.append(
            try AuditChain.entry(
                after: AuditChain.Head(sequence: 4, hash: rows[3].hash), time: rows[4].time, actor: "mallory",
                action: "release.publish", subject: "x"))
        #expect(AuditChain.verify(forged) == .intact(AuditChain.Head(sequence: 5, hash: forged[4].hash)))
        #expect(AuditChain.verify(forged, containing: head) == .broken(sequence: 5, .relinked))
    }

    @Test("a row without a canonical form, or too long, cannot enter")
    func refused() {
        for detail in [JSONValue.number(0.5), .string(String(repeating: "x", count: TrustLimits.auditRowBytes))] {
            #expect(throws: TrustError(.badAuditEntry, "")) {
                try AuditChain.entry(
                    after: .empty, time: Timestamp(seconds: 0), actor: "a", action: "b", subject: "c", detail: detail)
            }
        }
    }

    @Test("the hash of a known row is fixed, so that exported logs stay verifiable")
    func golden() throws {
        let row = try Self.chain(1)[0]
        #expect(row.hash == "53f8ab9e0744302d6238261fbe59d414844a3c50badf01818907e84ef371ba7c")
    }
}
