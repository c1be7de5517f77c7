package import MartletTypes

/// What can go wrong with engines and the gateway.
package struct RuntimeError: MartletError, Equatable {
    /// The stable codes.
    package enum Kind: String, Sendable, CaseIterable {
        /// No such engine is allowed or installed on this device.
        case engineMissing
        /// The engine's file is there and could not be started.
        case engineNotStarted
        /// The engine ended while something was expected of it.
        case engineExited
        /// The engine did not become ready in time.
        case engineNotReady
        /// The engine answered with an error, or with something that is no answer.
        case engineAnswer
        /// The engine could not be reached, or the connection broke.
        case engineUnreachable
        /// The engine took longer than the bound.
        case engineTimeout
        /// The path does not fit into a UNIX socket address.
        case socketPathTooLong
        /// A setting is out of its bounds.
        case invalidSetting
        /// Another program listens on the gateway's port or socket.
        case portInUse
        /// The gateway could not listen for another reason.
        case cannotListen
        /// The gateway would listen beyond this machine without keys.
        case keysRequired
        /// The confinement that the device demands cannot be applied here.
        case confinementUnavailable
    }

    /// Which error.
    package let kind: Kind
    package let message: String
    package let remedy: String
    package let fault: ErrorFault

    package var code: String { kind.rawValue }

    package init(_ kind: Kind, _ message: String, remedy: String = "", fault: ErrorFault = .environment) {
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.fault = fault
    }

    /// Equality is by code; messages are for people.
    package static func == (left: Self, right: Self) -> Bool { left.kind == right.kind }
}

extension RuntimeError {
    static func socketPathTooLong(_ path: String) -> RuntimeError {
        RuntimeError(
            .socketPathTooLong,
            "The socket path \(path) has \(path.utf8.count) bytes; \(RuntimeLimits.socketPathBytes) are possible.",
            remedy: "Set a shorter run folder.", fault: .caller)
    }
}
