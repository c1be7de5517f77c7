package import MartletTypes

/// All that must be kept of a log to go on with its tree: the roots of its full subtrees, at most one for each bit of
/// its size.
package struct AuditFrontier: Sendable, Hashable {
    /// Rows so far.
    package private(set) var size: Int64
    /// The roots of the full subtrees, the largest first.
    private var peaks: [Digest]

    /// The frontier of an empty log.
    package init() { (size, peaks) = (0, []) }

    /// The frontier of `size` rows from its peaks, the largest first; nil where their number is wrong.
    package init?(size: Int64, peaks: [Digest]) {
        guard size >= 0, peaks.count == size.nonzeroBitCount else { return nil }
        (self.size, self.peaks) = (size, peaks)
    }

    /// The frontier of `size` rows whose nodes are kept elsewhere.
    package init(size: Int64, _ node: (AuditTree.Place) throws -> Digest) rethrows {
        self.init()
        for level in (0..<63).reversed() where size >> Int64(level) & 1 == 1 {
            peaks.append(try node(AuditTree.Place(level: level, index: (size >> Int64(level)) - 1)))
        }
        self.size = size
    }

    /// Adds a row's hash. Returns every node that is full now, the leaf itself first.
    @discardableResult
    package mutating func append(_ leaf: Digest) -> [(place: AuditTree.Place, hash: Digest)] {
        var place = AuditTree.Place(level: 0, index: size)
        var hash = leaf
        var completed = [(place: place, hash: hash)]
        while place.index & 1 == 1, let left = peaks.popLast() {
            hash = AuditTree.parent(left, hash)
            place = AuditTree.Place(level: place.level + 1, index: place.index >> 1)
            completed.append((place, hash))
        }
        peaks.append(hash)
        size += 1
        return completed
    }

    /// The root over all rows so far.
    package var root: Digest {
        guard var hash = peaks.last else { return AuditTree.emptyRoot }
        for peak in peaks.dropLast().reversed() { hash = AuditTree.parent(peak, hash) }
        return hash
    }
}
