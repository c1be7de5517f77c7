package import MartletTypes

/// The audit log's chain: each row seals all rows before it.
///
/// A row that is edited, deleted or moved breaks it. Rows cut off at the end leave a shorter chain that is whole:
/// compare
/// with a head that was kept elsewhere.
package enum AuditChain {
    /// The previous hash of the first row.
    package static let genesis = String(repeating: "0", count: 64)

    /// Where a chain ends.
    package struct Head: Sendable, Hashable, Codable {
        /// The last row's sequence; 0 for an empty chain.
        package let sequence: Int64
        /// The last row's hash.
        package let hash: String

        package init(sequence: Int64, hash: String) {
            self.sequence = sequence
            self.hash = hash
        }

        /// The head of an empty chain.
        package static let empty = Head(sequence: 0, hash: genesis)
    }

    /// What verification found.
    package enum Verdict: Sendable, Hashable {
        /// All rows are as they were written.
        case intact(Head)
        /// The first row that is wrong, by the sequence it has or should have, and how.
        case broken(sequence: Int64, Damage)
    }

    /// What can be wrong.
    package enum Damage: String, Sendable, Hashable, Codable {
        /// The content does not have the row's hash.
        case edited
        /// Rows are missing before this one.
        case deleted
        /// The row stands where another belongs.
        case reordered
        /// The row's own hash is right, but it does not continue the row before: both were written anew.
        case relinked
        /// The chain ends before a head that is known.
        case truncated
    }

    /// The row that follows `head`; throws `badAuditEntry`.
    package static func entry(
        after head: Head, time: Timestamp, actor: String, action: String, subject: String,
        detail: JSONValue = .object([:])
    ) throws(TrustError) -> AuditEntry {
        func row(_ hash: String) -> AuditEntry {
            AuditEntry(
                sequence: head.sequence + 1, time: time, actor: actor, action: action, subject: subject,
                detail: detail, previousHash: head.hash, hash: hash)
        }
        return row(try row("").computedHash())
    }

    /// Verifies rows in stored order that follow `start`; with `known`, that the chain still contains that head.
    package static func verify(
        _ rows: [AuditEntry], after start: Head = .empty, containing known: Head? = nil
    ) -> Verdict {
        var head = start
        let all = Set(rows.map(\.sequence))
        for row in rows {
            let expected = head.sequence + 1
            if row.sequence != expected {
                return .broken(
                    sequence: expected, all.contains(expected) || row.sequence < expected ? .reordered : .deleted)
            }
            guard let hash = try? row.computedHash(), hash == row.hash else {
                return .broken(sequence: row.sequence, .edited)
            }
            guard row.previousHash == head.hash else { return .broken(sequence: row.sequence, .relinked) }
            head = Head(sequence: row.sequence, hash: row.hash)
            if let known, known.sequence == head.sequence, known.hash != head.hash {
                return .broken(sequence: head.sequence, .relinked)
            }
        }
        if let known, known.sequence > head.sequence { return .broken(sequence: head.sequence + 1, .truncated) }
        return .intact(head)
    }
}
