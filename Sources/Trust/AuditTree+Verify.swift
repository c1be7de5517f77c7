package import MartletTypes

extension AuditTree {
    /// Whether `proof` leads from a row's hash at `index` (from 0) to the root of `size` rows.
    ///
    /// Source: RFC 9162 section 2.1.3.2.
    package static func isIncluded(
        _ leaf: Digest, at index: Int64, in size: Int64, root: Digest, proof: [Digest]
    ) -> Bool {
        guard index >= 0, index < size else { return false }
        var (node, last) = (index, size - 1)
        var hash = leaf
        for sibling in proof {
            guard last > 0 else { return false }
            if isLeft(node, last) {
                hash = parent(hash, sibling)
            } else {
                hash = parent(sibling, hash)
                while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && hash == root
    }

    /// Whether `proof` shows that the tree of `size` rows begins with the tree of `former` rows.
    ///
    /// Every log continues the empty one. Source: RFC 9162 section 2.1.4.2.
    package static func isConsistent(
        from former: Int64, _ formerRoot: Digest, to size: Int64, _ root: Digest, proof: [Digest]
    ) -> Bool {
        guard former >= 0, former <= size else { return false }
        if former == size { return proof.isEmpty && formerRoot == root }
        if former == 0 { return proof.isEmpty && formerRoot == emptyRoot }
        var path = proof[...]
        if former & (former - 1) == 0 { path = [formerRoot] + path }
        guard let first = path.popFirst() else { return false }
        var (node, last) = (former - 1, size - 1)
        while node & 1 == 1 { (node, last) = (node >> 1, last >> 1) }
        var (old, new) = (first, first)
        for sibling in path {
            guard last > 0 else { return false }
            if isLeft(node, last) {
                new = parent(new, sibling)
            } else {
                (old, new) = (parent(sibling, old), parent(sibling, new))
                while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return last == 0 && old == formerRoot && new == root
    }

    /// Whether the sibling of a node stands to its right.
    private static func isLeft(_ node: Int64, _ last: Int64) -> Bool { node & 1 == 0 && node != last }

    /// Those hashes of an inclusion proof that cover the rows before `index`, the largest subtree first.
    ///
    /// They are the peaks of the log of `index` rows, so that a part of a log can be checked without what precedes it.
    package static func peaks(before index: Int64, in size: Int64, proof: [Digest]) -> [Digest] {
        var (node, last) = (index, size - 1)
        var peaks: [Digest] = []
        for sibling in proof where last > 0 {
            if !isLeft(node, last) {
                peaks.append(sibling)
                while node & 1 == 0, node != 0 { (node, last) = (node >> 1, last >> 1) }
            }
            (node, last) = (node >> 1, last >> 1)
        }
        return peaks.reversed()
    }
}
