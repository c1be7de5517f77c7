private import FoundationEssentials
package import MartletTypes
package import TUF

/// A public key whose model signatures count: ECDSA P-256, as the tool `model-signing` makes and takes it.
package struct ModelSignatureKey: Sendable, Hashable, Codable, CustomStringConvertible {
    /// SubjectPublicKeyInfo in PEM, in the one form that libcrypto and `model-signing` write.
    package let pem: String

    /// Reads a key in PEM, or the base64 of its DER in one line, as it fits into a configuration file.
    package init(_ text: String) throws(InvalidValue) {
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }
        let base64 = lines.joined().filter { !$0.isWhitespace }
        let invalid = InvalidValue(
            kind: "model signature key", value: text, rule: "an ECDSA P-256 public key in PEM, or its DER in base64")
        guard text.utf8.count <= TrustLimits.keyBytes, let der = Data(base64Encoded: base64) else { throw invalid }
        do {
            try self.init(PublicKey(subjectPublicKeyInfo: Array(der)))
        } catch {
            throw invalid
        }
    }

    /// The key that a signer signs with; throws `unsupportedKey` for all but ECDSA P-256, which the format demands.
    package init(_ key: PublicKey) throws(TrustError) {
        guard key.keytype == "ecdsa", key.scheme == Self.scheme else {
            throw TrustError(
                .unsupportedKey, "Model signatures are made with ECDSA P-256 keys, and this one is \(key.scheme).")
        }
        pem = key.value
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(pem)
    }

    /// What a bundle names its key by: the SHA-256 of the PEM text, in hexadecimal.
    package var hint: String { Digest.of(Array(pem.utf8)).hex }

    /// The beginning of the hint, enough for people to tell keys apart.
    package var description: String { String(hint.prefix(12)) }

    /// Whether `signature` is this key's, over SHA-256 and in DER.
    func verify(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        PublicKey(keytype: "ecdsa", scheme: Self.scheme, value: pem).verify(signature: signature, of: message)
    }

    private static let scheme = "ecdsa-sha2-nistp256"
}
