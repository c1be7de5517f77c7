package import MartletTypes

/// Why a simulation cannot run.
package struct SimulationError: MartletError, Equatable {
    /// The stable codes.
    package enum Reason: String, Sendable, CaseIterable {
        /// A profile that cannot be read, or says what cannot be.
        case badProfile
        /// More devices than this process may have connections.
        case tooFewFiles
        /// A value of an option that cannot be.
        case badOption
        /// The registry does not answer as one.
        case badAnswer
    }

    package let reason: Reason
    package let message: String
    package let remedy: String

    package init(_ reason: Reason, _ message: String, remedy: String) {
        self.reason = reason
        self.message = message
        self.remedy = remedy
    }

    package var code: String { reason.rawValue }

    package var fault: ErrorFault {
        switch reason {
        case .badProfile, .badOption: .caller
        case .tooFewFiles: .environment
        case .badAnswer: .peer
        }
    }

    package static func == (left: Self, right: Self) -> Bool { left.reason == right.reason }

    static func badProfile(_ message: String) -> SimulationError {
        SimulationError(.badProfile, message, remedy: "docs/fleetsim.md describes the profile's fields.")
    }
}
