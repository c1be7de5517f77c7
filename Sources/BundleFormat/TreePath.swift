/// Names below an engine's folder, as an archive may state them: nothing that could leave it.
enum TreePath {
    /// The components of a path; nil for one that is absolute, too long or deep, or has a component that is no plain
    /// name.
    static func components(_ text: String) -> [String]? {
        guard text.utf8.count <= BundleLimits.treePathBytes else { return nil }
        let trimmed = text.hasSuffix("/") ? text.dropLast() : text[...]
        let parts = trimmed.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= BundleLimits.treeDepth, parts.allSatisfy(isPlain) else { return nil }
        return parts
    }

    /// Whether a link at `place` may point to `target`: relative, upwards only at its beginning, and never above the
    /// engine's folder. Going up after a name would depend on where that name leads.
    static func admits(link target: String, at place: [String]) -> Bool {
        guard !target.hasPrefix("/"), target.utf8.count <= BundleLimits.treePathBytes else { return false }
        let parts = target.split(separator: "/", omittingEmptySubsequences: false)
        let ups = parts.prefix { $0 == ".." }.count
        let names = parts.dropFirst(ups).map(String.init)
        return ups < place.count && !names.isEmpty && names.allSatisfy(isPlain)
    }

    /// Beyond ASCII a name depends on the locale in which an archive is written and read, and what is no text becomes
    /// another name.
    private static func isPlain(_ name: String) -> Bool {
        FileNameRule.holds(name) && name.utf8.allSatisfy { $0 < 0x80 }
    }
}
