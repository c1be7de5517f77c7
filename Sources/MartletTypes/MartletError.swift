/// Whose fault an error is: decides who is told and whether trying again can help.
package enum ErrorFault: String, Sendable, Codable {
    /// The other side lied or broke its protocol.
    case peer
    /// The way between us failed; trying again may help.
    case transport
    /// Whoever called gave something wrong.
    case caller
    /// The machine we stand on failed (disk full, permission, missing program).
    case environment
    /// A defect of ours.
    case us
}

/// What every error type of Martlet can say about itself.
///
/// One type per target conforms; equality of errors in tests is by `code`.
package protocol MartletError: Error, CustomStringConvertible, Sendable {
    /// A stable code in lowerCamelCase, e.g. `digestMismatch`; part of the protocol and of `--output json`.
    var code: String { get }
    /// One sentence: what failed and where. Never holds a secret.
    var message: String { get }
    /// One sentence: what to do next. Empty where nothing can be done.
    var remedy: String { get }
    /// Whose fault it is.
    var fault: ErrorFault { get }
}

extension MartletError {
    /// The message, then the remedy, on one line.
    package var description: String {
        remedy.isEmpty ? "\(message) [\(code)]" : "\(message) \(remedy) [\(code)]"
    }
}

/// A value that did not have the shape its type demands.
package struct InvalidValue: MartletError, Equatable {
    /// The type's name in the words of the glossary, e.g. `repository name`.
    package let kind: String
    /// What was given, cut to a printable length.
    package let value: String
    /// What is demanded.
    package let rule: String

    package init(kind: String, value: String, rule: String) {
        self.kind = kind
        self.value = String(value.prefix(Limits.quotedValueCharacters))
        self.rule = rule
    }

    package var code: String { "invalidValue" }
    package var message: String { "\"\(value)\" is not a valid \(kind)." }
    package var remedy: String { "Use \(rule)." }
    package var fault: ErrorFault { .caller }
}
