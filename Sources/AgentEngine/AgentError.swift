package import MartletTypes

/// What can go wrong in the agent itself; failures of its parts keep their own types and codes.
package struct AgentError: MartletError, Equatable {
    /// Stable codes.
    package enum Code: String, Sendable, CaseIterable {
        /// A configuration file or option is wrong.
        case invalidConfiguration
        /// The device has no identity yet.
        case notEnrolled
        /// The device has one already.
        case alreadyEnrolled
        /// The registry's authority is not the one that the join token names.
        case authorityMismatch
        /// The first root metadata is not the one that the join token names.
        case rootMismatch
        /// The registry's answer does not fit the request.
        case badAnswer
        /// No registry was reached with what is believed.
        case untrusted
        /// No agent listens in that data folder.
        case notRunning
        /// This device has no slot of that name.
        case unknownSlot
        /// A bundle is not what its signatures say, or not one that this device can use.
        case bundleRefused
        /// A bundle's time is over.
        case bundleExpired
        /// A bundle holds assignments of other devices.
        case bundleForOthers
        /// Going back on this box, which its owner's policy forbids, or to what must not run any more.
        case localRollbackRefused
        /// A program of the agent, or what watches over it, could not be started.
        case programNotStarted
        /// A bundle without an assignment, which this device's owner or its user's rights forbid.
        case offlineInstallRefused
    }

    package let reason: Code
    package let message: String
    package let remedy: String
    package let fault: ErrorFault

    package init(_ reason: Code, _ message: String, remedy: String = "", fault: ErrorFault = .caller) {
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.fault = fault
    }

    package var code: String { reason.rawValue }

    package static func == (left: Self, right: Self) -> Bool { left.reason == right.reason }
}

/// Any error as code and sentence, for reports and logs.
struct ErrorSummary {
    let code: String
    let message: String

    init(_ error: any Error) {
        if let error = error as? any MartletError {
            code = error.code
            message = error.remedy.isEmpty ? error.message : "\(error.message) \(error.remedy)"
        } else if error is CancellationError {
            code = "cancelled"
            message = "The work was cancelled."
        } else {
            code = "unexpected"
            message = "\(error)"
        }
    }
}
