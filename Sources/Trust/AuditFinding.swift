package import MartletTypes

/// What is wrong with an audit log, and at which row.
package struct AuditFinding: MartletError, Equatable {
    /// The kinds of damage.
    package enum Damage: String, Sendable, Hashable, Codable, CaseIterable {
        /// A row's content does not have the row's hash.
        case edited
        /// A row is missing, and rows after it are there.
        case deleted
        /// A row stands where another belongs, or stands twice.
        case reordered
        /// A row has a right hash, but it is not the row that was seen here before.
        case rewritten
        /// The log ends before a row that was seen here before, or that its checkpoint counts.
        case truncated
        /// The rows do not have the root that the registry signed.
        case notInTree
        /// The checkpoint is not one that the registry signed.
        case unsigned
        /// What the registry gave as a proof proves nothing.
        case unproven
    }

    package let damage: Damage
    /// The first row that is wrong; nil where no row can be named.
    package let row: Int64?
    /// The details.
    package let detail: String

    package init(_ damage: Damage, row: Int64?, _ detail: String) {
        self.damage = damage
        self.row = row
        self.detail = detail
    }

    package var code: String { "audit" + damage.rawValue.prefix(1).uppercased() + damage.rawValue.dropFirst() }

    package var message: String {
        guard let row else { return "The audit log cannot be believed: \(detail)" }
        return "The audit log was changed at row \(row): \(detail)"
    }

    package var remedy: String {
        switch damage {
        case .unsigned:
            "Check the registry's address, and for an exported file the trust document of its time (--trust)."
        default:
            "Keep the registry's data folder as it is, compare with exports and backups, and treat the machine as "
                + "captured until it is explained (docs/security.md)."
        }
    }

    package var fault: ErrorFault { .peer }

    package static func == (left: Self, right: Self) -> Bool { left.damage == right.damage && left.row == right.row }
}
