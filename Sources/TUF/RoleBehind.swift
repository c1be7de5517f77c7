private import MartletTypes

/// A role of which a client has seen a newer version than a repository's snapshot names: a rollback, or a repository
/// that was restored from a backup. Clients tell it in words, in which it is found again.
package struct RoleBehind: Sendable, Hashable {
    /// The role.
    package let role: String
    /// The version that the snapshot names.
    package let named: Int
    /// The version that the client has seen.
    package let seen: Int

    init(role: String, named: Int, seen: Int) {
        self.role = role
        self.named = named
        self.seen = seen
    }

    /// The refusal in words.
    var error: TUFError {
        TUFError(.rollback, role: SnapshotMetadata.type, "Snapshot names \(role) \(named), older than \(seen).")
    }

    /// Finds the words in a message; nil where they are not in it.
    package init?(message: String) {
        let words = /Snapshot names ([a-z0-9._-]{1,128}) ([0-9]{1,16}), older than ([0-9]{1,16})\./
        guard let match = message.firstMatch(of: words), let named = Int(match.2), let seen = Int(match.3)
        else { return nil }
        self.init(role: String(match.1), named: named, seen: seen)
    }
}
