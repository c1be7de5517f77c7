/// Which versions of the owner's root and top-level targets a registry has, or a device follows.
///
/// Both sides only compare them: a device that learns of another one refreshes its metadata, and believes what that
/// says.
package struct TrustRevision: Sendable, Hashable {
    package let root: Int64
    package let targets: Int64

    package init(root: Int64, targets: Int64) {
        self.root = root
        self.targets = targets
    }

    /// Reads `ROOT.TARGETS`; nil where it is something else.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let root = Int64(parts[0]), let targets = Int64(parts[1]), root >= 0, targets >= 0
        else {
            return nil
        }
        self.init(root: root, targets: targets)
    }

    /// The form that `init` reads.
    package var text: String { "\(root).\(targets)" }
}
