internal import BundleFormat
package import MartletTypes
internal import TUF

/// Why a release could not be published or withdrawn, or trust not be made.
package struct PublishError: MartletError, Equatable {
    /// Stable codes.
    package enum Code: String, Sendable, CaseIterable {
        /// The version is published with other content.
        case versionExists
        /// The release to withdraw, or the base of an adapter, is not published.
        case unknownRelease
        /// A higher floor stands, or somebody set one at the same time.
        case floorExists
        /// A file cannot be read.
        case fileUnreadable
        /// A file is no GGUF, or one that nothing should load.
        case malformedModel
        /// A card, licence, template or evaluation set is too large or not text.
        case badFile
        /// A LoRA adapter was given without its base, or a model with one.
        case adapterMismatch
        /// What was asked for contradicts itself.
        case badRequest
        /// Nobody may sign for the namespace yet.
        case namespaceNotDelegated
        /// The key at hand does not sign for the namespace.
        case notAPublisher
        /// More signatures are needed than keys are at hand.
        case moreSignaturesNeeded
        /// Others kept publishing into the same bin.
        case tooManyConflicts
        /// The registry took the signature and does not show the result.
        case notVisible
        /// What the registry said about itself cannot be signed.
        case badRegistry
        /// A key file exists, or cannot be written.
        case keyFile
        /// The registry's root is not the one that this operator trusts.
        case rootMismatch
        /// A bundle is not what its signatures say.
        case bundleRefused
        /// A bundle's time is over.
        case bundleExpired
        /// A model signature is over other files than those of the release.
        case signatureUnfit
        /// Metadata has ended, so that nobody installs by it.
        case metadataEnded
    }

    /// What happened.
    package let reason: Code
    package let message: String
    package let remedy: String

    package init(_ reason: Code, _ message: String, remedy: String = "") {
        self.reason = reason
        self.message = message
        self.remedy = remedy
    }

    package var code: String { reason.rawValue }

    package var fault: ErrorFault {
        switch reason {
        case .notVisible, .badRegistry, .rootMismatch, .metadataEnded, .bundleRefused, .bundleExpired: .peer
        case .keyFile: .environment
        default: .caller
        }
    }

    package static func == (left: Self, right: Self) -> Bool { left.reason == right.reason }
}

extension PublishError {
    /// Runs what reads or writes a document of the publisher's own; where it is refused, `subject` names it.
    static func naming<Value>(_ subject: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as BundleError where error.fault == .peer {
            throw PublishError(.badFile, "\(subject): \(error.message)", remedy: "Correct it and publish again.")
        }
    }

    static func notDelegated(_ namespace: String) -> PublishError {
        PublishError(
            .namespaceNotDelegated, "Nobody may sign for the namespace \(namespace) yet.",
            remedy: "The owner runs `martlet trust delegate \(namespace) --keys FOLDER`.")
    }

    static func tooManyConflicts(_ what: String) -> PublishError {
        PublishError(
            .tooManyConflicts,
            "Others changed the same part of \(what) \(PublishLimits.conflictAttempts) times in a row.",
            remedy: "Try again.")
    }

    /// Ended metadata, by the role that ended: each has another owner.
    static func ended(_ error: TUFError) -> PublishError {
        let namespace = error.role.firstRange(of: "-bin-").map { String(error.role[..<$0.lowerBound]) } ?? error.role
        let remedy =
            switch TopLevelRole(rawValue: error.role) {
            case .root: "The owner runs `martlet trust renew --root-key FILE`."
            case .targets: "The owner runs `martlet trust renew --targets-key FILE`."
            case .snapshot, .timestamp: "Check this machine's clock; if it is right, see the registry's log."
            case nil: "A publisher of it runs `martlet trust renew --namespace \(namespace)`."
            }
        return PublishError(.metadataEnded, error.message, remedy: remedy)
    }
}

/// Bounds of publishing.
package enum PublishLimits {
    /// Times an edit is applied again because another publisher was faster: of as many who begin at once into one bin
    /// the last comes through.
    package static let conflictAttempts = 40
    /// The longest pause before it is applied again: some rounds of a registry under load.
    static let longestConflictPause = Duration.milliseconds(150)
    /// A pause before the next attempt: somewhere up to a bound that doubles; `random` is 0 to 1.
    static func conflictPause(_ attempt: Int, random: Double) -> Duration {
        min(.milliseconds(10) * (1 << min(attempt, 6)), longestConflictPause) * random
    }
    /// Bytes hashed between two reports of progress.
    static let hashStepBytes = 4 * 1024 * 1024
    /// Tokens of context for which a variant's least memory is computed: less is of no use to anyone.
    static let leastContextTokens = 512
    /// Memory of an engine beside weights and context, measured on llama-server with a model of two layers.
    static let engineBytes: Int64 = 24 * 1024 * 1024
    /// Model signatures of one variant that are read: as many as a bundle takes.
    static let knownSignatures = 16
}
