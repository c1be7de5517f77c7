package import MartletTypes

/// Why metadata, or a workflow over it, was refused.
package struct TUFError: MartletError, Equatable {
    /// The stable codes.
    package enum Reason: String, Sendable, CaseIterable {
        /// Not JSON, a field absent or of the wrong type, or a value that the specification forbids.
        case malformed
        /// `_type` names another role than was asked for.
        case wrongType
        /// No signature of a key of the role verifies.
        case badSignature
        /// Some signatures verify, fewer than the role's threshold of distinct keys.
        case thresholdNotMet
        /// Past its `expires` at the reference time of the refresh.
        case expired
        /// A version below one that was accepted before, or a role that vanished from snapshot.
        case rollback
        /// The version inside differs from the one that was asked for or that snapshot names.
        case versionMismatch
        /// More bytes than promised or than the limit: endless data.
        case lengthExceeded
        /// Fewer bytes than promised.
        case lengthMismatch
        /// The bytes do not have the promised hash.
        case hashMismatch
        /// The delegator does not delegate to this role, or snapshot does not name it.
        case unknownRole
        /// The repository does not have a file that its own metadata names.
        case missing
        /// More delegated roles for one target than the limit.
        case tooManyDelegations
        /// A step of the workflow was called before the step that it needs.
        case outOfOrder
        /// A document that cannot be signed.
        case unsignable
        /// A namespace or role name that the layout cannot hold.
        case invalidName
    }

    /// What went wrong.
    package let reason: Reason
    /// The role whose metadata it is about; empty where it is about none.
    package let role: String
    /// One sentence with the details.
    package let message: String

    package init(_ reason: Reason, role: String = "", _ message: String) {
        self.reason = reason
        self.role = role
        self.message = message
    }

    package var code: String { reason.rawValue }

    package var fault: ErrorFault {
        switch reason {
        case .outOfOrder, .unsignable, .invalidName: .caller
        default: .peer
        }
    }

    package var remedy: String {
        switch reason {
        case .expired: "Check this machine's clock; if it is right, the owner of the role must sign it again."
        case .badSignature, .thresholdNotMet: "Ask the owner of the role to sign it with enough of its keys."
        case .rollback: "Do not trust this repository until its operator has explained the older version."
        case .missing: "Try again; if it stays, the registry must publish its snapshot again."
        case .outOfOrder: "Start from a trusted root, and refresh before asking for targets."
        case .unsignable: "Use whole numbers and known fields only."
        case .invalidName: "Choose another name."
        default: ""
        }
    }

    package static func == (left: Self, right: Self) -> Bool { left.reason == right.reason && left.role == right.role }
}
