package import MartletTypes

/// Why a profile is refused, or why none can be chosen.
package struct DeviceProfileError: MartletError, Equatable {
    /// What was wrong. The raw value is the stable code.
    package enum Code: String, Sendable {
        /// The document is no profile: not JSON, a field missing or of the wrong type.
        case malformedProfile
        /// A field's value is outside its range.
        case invalidField
        /// Two profiles have one id.
        case duplicateProfile
        /// No profile has this id.
        case unknownProfile
        /// No profile matches this hardware.
        case noProfileMatches
    }

    /// What was wrong.
    package let reason: Code
    /// The profile's file name or id, and the field.
    package let subject: String
    /// What was found and what is demanded.
    package let detail: String

    package init(_ reason: Code, _ subject: String, _ detail: String) {
        self.reason = reason
        self.subject = subject
        self.detail = detail
    }

    package var code: String { reason.rawValue }
    package var message: String { "Profile \(subject): \(detail)." }
    package var remedy: String {
        switch reason {
        case .unknownProfile, .noProfileMatches: "Name one of the profiles that exist, or add one that matches."
        default: "Correct the profile; device-profiles/schema.json describes every field."
        }
    }
    package var fault: ErrorFault { reason == .unknownProfile ? .caller : .environment }
}
