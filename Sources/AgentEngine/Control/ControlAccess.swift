internal import Glibc

/// Who may speak to the agent over its control socket: root, its own user, and the groups that its owner names.
package struct ControlAccess: Sendable, Hashable {
    /// What a question asks for.
    enum Right: Sendable, Hashable {
        /// Status, explanations, logs.
        case read
        /// Installing from a file, going back.
        case change
    }

    /// Groups, by name, whose members may ask.
    package var readGroups: [String]
    /// Groups, by name, whose members may have something changed, and ask.
    package var changeGroups: [String]

    package init(readGroups: [String] = [], changeGroups: [String] = []) {
        self.readGroups = readGroups
        self.changeGroups = changeGroups
    }

    /// Whether others than root and the agent's user may ask.
    var isOpen: Bool { !readGroups.isEmpty || !changeGroups.isEmpty }

    /// The groups' numbers as they are now, so that a group that is made later counts too; names of no group are none.
    func resolved() -> Resolved {
        let changers = changeGroups.compactMap { Self.number(of: $0) }
        let readers = readGroups.compactMap { Self.number(of: $0) }
        return Resolved(owner: geteuid(), readers: Set(readers + changers), changers: Set(changers))
    }

    /// The number of a group; nil where there is none of that name.
    package static func number(of name: String) -> UInt32? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: AgentLimits.groupEntryBytes)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0 else { return nil }
        return found?.pointee.gr_gid
    }

    /// The rule with numbers in place of names.
    struct Resolved: Sendable, Hashable {
        var owner: uid_t
        var readers: Set<gid_t>
        var changers: Set<gid_t>

        /// Whether the process at the other end has the right.
        func allows(_ right: Right, _ peer: LocalSocket.Peer) -> Bool {
            if peer.user == 0 || peer.user == owner { return true }
            return !(right == .read ? readers : changers).isDisjoint(with: peer.groups)
        }
    }
}

extension AgentError {
    /// Who asked may not.
    static func controlRefused(_ right: ControlAccess.Right) -> AgentError {
        AgentError(
            .untrusted,
            right == .read
                ? "This user may not ask the agent." : "This user may ask the agent, and not have it change anything.",
            remedy: "Run as root or as the agent's user, or join a group that `control` of its configuration names.")
    }
}

extension AgentLimits {
    /// The entry of one group with its members.
    static let groupEntryBytes = 64 * 1024
}
