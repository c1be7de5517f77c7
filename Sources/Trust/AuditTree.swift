package import MartletTypes

/// The Merkle tree over the audit log: one hash stands for all rows, and short proofs say what was in it before.
///
/// Leaves are rows in order; leaf and inner hashes are told apart by their first byte. All hashes are SHA-256.
/// Source: RFC 9162 section 2.1 (as RFC 6962 before it). No I/O: hashes of subtrees come from the caller.
package enum AuditTree {
    /// One node of the tree that is full below: it covers rows `index << level ..< (index + 1) << level`.
    package struct Place: Sendable, Hashable {
        /// 0 for leaves.
        package let level: Int
        /// Counted from 0 within its level.
        package let index: Int64

        package init(level: Int, index: Int64) {
            self.level = level
            self.index = index
        }
    }

    /// The root of no rows at all.
    package static let emptyRoot = Digest.of([])

    /// The hash of one row's bytes.
    package static func leaf(_ bytes: [UInt8]) -> Digest { Digest.of([0] + bytes) }

    /// The hash above two.
    package static func parent(_ left: Digest, _ right: Digest) -> Digest {
        Digest.of([1] + left.rawBytes + right.rawBytes)
    }

    /// The root over a range of rows (from 0) as the tree cuts it; `node` gives the hash of full subtrees.
    package static func root(
        of rows: Range<Int64>, _ node: (Place) throws -> Digest
    ) rethrows -> Digest {
        guard let split = split(rows) else {
            guard !rows.isEmpty else { return emptyRoot }
            let count = rows.upperBound - rows.lowerBound
            return try node(Place(level: count.trailingZeroBitCount, index: rows.lowerBound / count))
        }
        return try parent(
            root(of: rows.lowerBound..<split, node), root(of: split..<rows.upperBound, node))
    }

    /// What proves that row `index` (from 0) is in the tree of `size` rows, from the leaf upwards.
    ///
    /// `index` must be below `size`. Source: RFC 9162 section 2.1.3.1.
    package static func inclusionProof(
        of index: Int64, in size: Int64, _ node: (Place) throws -> Digest
    ) rethrows -> [Digest] {
        var rows = 0..<size
        var path: [Digest] = []
        while rows.upperBound - rows.lowerBound > 1 {
            let split = rows.lowerBound + largestPower(below: rows.upperBound - rows.lowerBound)
            let (left, right) = (rows.lowerBound..<split, split..<rows.upperBound)
            path.append(try root(of: index < split ? right : left, node))
            rows = index < split ? left : right
        }
        return path.reversed()
    }

    /// What proves that the tree of `size` rows continues the tree of its first `former` rows.
    ///
    /// `former` must be at most `size`. Source: RFC 9162 section 2.1.4.1.
    package static func consistencyProof(
        from former: Int64, to size: Int64, _ node: (Place) throws -> Digest
    ) rethrows -> [Digest] {
        guard former > 0, former < size else { return [] }
        var rows = 0..<size
        var isWhole = true
        var path: [Digest] = []
        while rows.upperBound != former {
            let split = rows.lowerBound + largestPower(below: rows.upperBound - rows.lowerBound)
            let (left, right) = (rows.lowerBound..<split, split..<rows.upperBound)
            path.append(try root(of: former <= split ? right : left, node))
            if former > split { isWhole = false }
            rows = former <= split ? left : right
        }
        if !isWhole { path.append(try root(of: rows, node)) }
        return path.reversed()
    }

    /// Where the tree cuts a range in two; nil for one that is a full subtree or empty.
    private static func split(_ rows: Range<Int64>) -> Int64? {
        let count = rows.upperBound - rows.lowerBound
        guard count > 1, count & (count - 1) != 0 else { return nil }
        return rows.lowerBound + largestPower(below: count)
    }

    /// The largest power of two below `count`, which is at least 2.
    private static func largestPower(below count: Int64) -> Int64 {
        1 << Int64(63 - (count - 1).leadingZeroBitCount)
    }
}

extension Digest {
    /// The bytes that the hexadecimal form spells.
    var rawBytes: [UInt8] { Hex.decode(hex) ?? [] }
}
