private import FoundationEssentials
package import MartletTypes

/// All that a new device needs to know whom to trust: one string, no trust on first use.
///
/// `martlet-join.v1.` and the base64url of a JSON document. It is a secret: who holds it can enrol devices.
package struct JoinToken: Sendable, Hashable, Codable {
    /// The device listener's origin, e.g. `https://registry.example:8443`.
    package let registry: String
    /// The digest of the first root metadata (`1.root.json`).
    package let rootDigest: Digest
    /// SHA-256 of the certificate authority's DER, in lower-case hexadecimal.
    package let caFingerprint: String
    /// The counted, expiring secret that the registry knows by its hash.
    package let secret: String

    package init(registry: String, rootDigest: Digest, caFingerprint: String, secret: String) {
        self.registry = registry
        self.rootDigest = rootDigest
        self.caFingerprint = caFingerprint
        self.secret = secret
    }

    private static let prefix = "martlet-join.v1."

    /// The one string that a person copies to the device.
    package func text() throws -> String {
        let base64 = Data(try JSONText.encode(self)).base64EncodedString()
        return Self.prefix
            + base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Reads the string; the error never repeats it, because it is a secret.
    package init(parsing text: String) throws(InvalidValue) {
        let invalid = InvalidValue(
            kind: "join token", value: "(hidden)", rule: "the whole string that `martlet token join` printed")
        guard text.hasPrefix(Self.prefix) else { throw invalid }
        var base64 = text.dropFirst(Self.prefix.count).replacing("-", with: "+").replacing("_", with: "/")
        while !base64.count.isMultiple(of: 4) { base64.append("=") }
        guard let data = Data(base64Encoded: String(base64)),
            let token = try? JSONText.decode(JoinToken.self, from: data)
        else { throw invalid }
        self = token
    }
}
