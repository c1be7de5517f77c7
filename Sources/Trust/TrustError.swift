package import MartletTypes

/// Why a key, a certificate or a request was refused. Messages never hold a passphrase or a private key.
package struct TrustError: MartletError, Equatable {
    /// The stable codes.
    package enum Reason: String, Sendable, CaseIterable {
        /// No key at the path or URI.
        case keyNotFound
        /// Something is there, but not a private key that can be read.
        case keyUnreadable
        /// The key is encrypted and no passphrase was given.
        case passphraseNeeded
        /// The passphrase does not open the key.
        case badPassphrase
        /// The file, descriptor or credential that should hold the passphrase cannot be read.
        case passphraseUnreadable
        /// A URI with a PIN in it, which others can read in the list of processes.
        case pinInURI
        /// The engine or provider that speaks to the token cannot be loaded.
        case tokenUnavailable
        /// The private key cannot be copied out of its token.
        case keyInToken
        /// A key of a kind that is not accepted here.
        case unsupportedKey
        /// Not a certificate, or not one that can be used so.
        case badCertificate
        /// Not a certificate signing request, or not signed by its own key.
        case badRequest
        /// Certificate and private key do not belong together.
        case keyMismatch
        /// A host name or address that a certificate cannot hold.
        case badHost
        /// A model signature that cannot be read, or is by no key that counts.
        case badModelSignature
        /// Metadata of the registry's own roles that would hold for longer than a registry signs.
        case expiresTooFar
        /// A row that cannot enter the audit log.
        case badAuditEntry
        /// libcrypto failed where it should not.
        case libcrypto
    }

    /// What went wrong.
    package let reason: Reason
    /// One sentence with the details.
    package let message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    package var code: String { reason.rawValue }

    package var remedy: String {
        switch reason {
        case .keyNotFound: "Give the path of a PKCS#8 PEM file, or the URI of a key in a token or TPM."
        case .keyUnreadable: "Give a PKCS#8 PEM file with one private key."
        case .passphraseNeeded: "Give the passphrase at the prompt, by file descriptor, or as a systemd credential."
        case .passphraseUnreadable: "Check the name and who may read it; the passphrase is the first line."
        case .pinInURI: "Take the PIN out, give it as a passphrase is given, and change it."
        case .tokenUnavailable: "Install what speaks to the token, see docs/keys.md, and check that it is plugged in."
        case .keyInToken: "Name the key by its URI wherever it is used."
        case .badPassphrase: "Try again with the right passphrase."
        case .unsupportedKey: "Use an Ed25519 or ECDSA P-256 key."
        case .badHost: "Use a DNS name or an IP address without port."
        case .expiresTooFar:
            "Check this machine's clock; if it is right, somebody else has the registry's keys: see docs/security.md."
        case .badRequest: "Make the request anew with the device's own key."
        case .badModelSignature: "Sign the files as they are published: `martlet attach`, or the tool model-signing."
        default: ""
        }
    }

    package var fault: ErrorFault {
        switch reason {
        case .libcrypto, .tokenUnavailable: .environment
        case .badRequest, .expiresTooFar: .peer
        default: .caller
        }
    }

    package static func == (left: Self, right: Self) -> Bool { left.reason == right.reason }
}

/// Bounds on what this target parses.
package enum TrustLimits {
    /// A certificate or a request: those of Ed25519 and P-256 are under 1 KiB.
    package static let certificateBytes = 16 * 1024
    /// A PEM file with one private key.
    package static let keyBytes = 64 * 1024
    /// A passphrase; OpenSSL's callback offers 1024 bytes.
    package static let passphraseBytes = 1024
    /// Names and addresses in one server certificate.
    package static let hostsPerCertificate = 64
    /// A common name: X.520's upper bound.
    package static let commonNameBytes = 64
    /// A model signature in its bundle: 256 files with long names are under 64 KiB.
    package static let modelSignatureBytes = 512 * 1024
    /// Files that one model signature lists: four times the layers of a variant, for folders with more beside.
    package static let modelFiles = 1024
    /// The canonical form of one audit row.
    package static let auditRowBytes = 64 * 1024
    /// A signed checkpoint of the audit log: under 1 KiB with a few signatures.
    package static let auditCheckpointBytes = 64 * 1024
}
