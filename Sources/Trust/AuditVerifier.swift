package import MartletTypes

/// Checks the rows of an audit log in order, in bounded memory, against their hashes, a checkpoint, and what was seen
/// before.
package struct AuditVerifier: Sendable {
    /// The hash that row `number` (from 1) had when it was seen here before; nil where it was not.
    package typealias Memory = @Sendable (_ number: Int64) -> Digest?

    /// Rows checked so far, and the tree over them.
    package private(set) var frontier: AuditFrontier
    /// The hashes of the rows checked, for a caller that remembers them.
    package private(set) var leaves: [Digest] = []
    private let seen: AuditCheckpoint?
    private let memory: Memory

    /// Begins after the rows of `start`. `seen` is the last checkpoint that was verified here, `memory` its rows.
    package init(
        after start: AuditFrontier = AuditFrontier(), seen: AuditCheckpoint? = nil,
        memory: @escaping Memory = { _ in nil }
    ) {
        frontier = start
        self.seen = seen
        self.memory = memory
    }

    /// Checks the rows that come next, each with the hash that its keeper gives it; throws at the first wrong one.
    package mutating func add(_ rows: [(entry: AuditEntry, hash: Digest)]) throws(AuditFinding) {
        for (position, row) in rows.enumerated() {
            let expected = frontier.size + 1
            let number = row.entry.sequence
            guard number == expected else {
                if number < expected {
                    throw AuditFinding(.reordered, row: number, "it stands after row \(frontier.size).")
                }
                let comesLater = rows[position...].contains { $0.entry.sequence == expected }
                throw comesLater
                    ? AuditFinding(.reordered, row: expected, "row \(number) stands in its place.")
                    : AuditFinding(.deleted, row: expected, "it is missing; row \(number) follows.")
            }
            try check(row.entry, row.hash)
        }
    }

    private mutating func check(_ entry: AuditEntry, _ hash: Digest) throws(AuditFinding) {
        let number = entry.sequence
        let computed: Digest
        do {
            computed = try entry.leafHash()
        } catch {
            throw AuditFinding(.edited, row: number, error.message)
        }
        let before = memory(number)
        guard computed == hash else {
            throw AuditFinding(.edited, row: number, "its content does not have its hash \(hash.hex.prefix(12)).")
        }
        if let before, before != computed {
            throw AuditFinding(
                .rewritten, row: number,
                "it is another one than was seen here before (then \(before.hex.prefix(12)), now "
                    + "\(computed.hex.prefix(12))).")
        }
        frontier.append(computed)
        leaves.append(computed)
        guard let seen, seen.size == number, seen.root != frontier.root else { return }
        throw AuditFinding(
            .rewritten, row: 1,
            "or one of the rows up to \(number): they are not the ones that were seen here at \(seen.time).")
    }

    /// Checks that the rows are all of the checkpoint's, have its root, and go as far as what was seen before.
    package func finish(_ checkpoint: AuditCheckpoint) throws(AuditFinding) {
        if let seen, seen.size > checkpoint.size {
            throw AuditFinding(
                .truncated, row: checkpoint.size + 1, "it was seen here at \(seen.time), and the log ends before it.")
        }
        guard frontier.size >= checkpoint.size else {
            throw AuditFinding(
                .truncated, row: frontier.size + 1, "the checkpoint counts \(checkpoint.size) rows.")
        }
        guard frontier.size == checkpoint.size else {
            throw AuditFinding(
                .reordered, row: checkpoint.size + 1, "the checkpoint counts only \(checkpoint.size) rows.")
        }
        guard frontier.root == checkpoint.root else {
            if seen?.size == checkpoint.size {
                throw AuditFinding(
                    .notInTree, row: nil, "its rows are those that were seen here before, but its tree was changed.")
            }
            throw AuditFinding(
                .notInTree, row: min((seen?.size ?? 0) + 1, checkpoint.size),
                "or a later one: the rows together do not have the root that the registry signed.")
        }
    }
}
