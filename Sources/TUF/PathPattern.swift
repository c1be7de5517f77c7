/// Matches target paths against the patterns of a delegation.
///
/// Component by component, so that `*` never crosses `/`. Source: TUF 1.0 section 4.5, "PATHPATTERN"; brackets as in
/// shell patterns, which the reference implementation accepts too.
package enum PathPattern {
    /// Whether `path` matches `pattern`. Cost: linear in practice, length × length at worst; no recursion.
    package static func matches(_ path: String, _ pattern: String) -> Bool {
        let names = path.split(separator: "/", omittingEmptySubsequences: false)
        let globs = pattern.split(separator: "/", omittingEmptySubsequences: false)
        guard names.count == globs.count else { return false }
        return zip(names, globs).allSatisfy { component(Array($0.unicodeScalars), Array($1.unicodeScalars)) }
    }

    /// One component, with one point to come back to: a later `*` makes an earlier one's choice final.
    private static func component(_ name: [Unicode.Scalar], _ glob: [Unicode.Scalar]) -> Bool {
        var n = 0
        var g = 0
        var star: (glob: Int, name: Int)?
        while n < name.count {
            if g < glob.count, glob[g] == "*" {
                star = (g, n)
                g += 1
            } else if g < glob.count, let next = single(name[n], glob, g) {
                n += 1
                g = next
            } else if let last = star {
                star = (last.glob, last.name + 1)
                g = last.glob + 1
                n = last.name + 1
            } else {
                return false
            }
        }
        return glob[g...].allSatisfy { $0 == "*" }
    }

    /// The index after the element at `g` if that element matches `scalar`, else nil.
    private static func single(_ scalar: Unicode.Scalar, _ glob: [Unicode.Scalar], _ g: Int) -> Int? {
        switch glob[g] {
        case "?": return g + 1
        case "[":
            guard let (contains, end) = bracket(glob, g) else { return scalar == "[" ? g + 1 : nil }
            return contains(scalar) ? end : nil
        default: return glob[g] == scalar ? g + 1 : nil
        }
    }

    /// `[abc]`, `[a-c]`, `[!abc]`; nil where the bracket is not closed and so stands for itself.
    private static func bracket(
        _ glob: [Unicode.Scalar], _ open: Int
    ) -> (contains: (Unicode.Scalar) -> Bool, end: Int)? {
        var start = open + 1
        let negated = start < glob.count && glob[start] == "!"
        if negated { start += 1 }
        // A closing bracket that comes first is a member of the set.
        guard start < glob.count, let close = glob[(start + 1)...].firstIndex(of: "]") else { return nil }
        let members = Array(glob[start..<close])
        func isMember(_ scalar: Unicode.Scalar) -> Bool {
            var index = 0
            while index < members.count {
                if index + 2 < members.count, members[index + 1] == "-" {
                    if members[index] <= scalar, scalar <= members[index + 2] { return true }
                    index += 3
                } else {
                    if members[index] == scalar { return true }
                    index += 1
                }
            }
            return false
        }
        return ({ isMember($0) != negated }, close + 1)
    }
}
