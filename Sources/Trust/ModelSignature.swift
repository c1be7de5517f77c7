private import FoundationEssentials
package import MartletTypes
package import TUF

/// One file of a model as a folder holds it after it was pulled.
package struct ModelFile: Sendable, Hashable {
    /// Its name in the folder.
    package var name: String
    /// The SHA-256 of its bytes.
    package var digest: Digest
    /// Whether an engine reads it, so that a signature that does not name it says nothing about how the model answers.
    package var reachesEngine: Bool

    package init(name: String, digest: Digest, reachesEngine: Bool) {
        self.name = name
        self.digest = digest
        self.reachesEngine = reachesEngine
    }
}

/// A signature of OpenSSF Model Signing v1.0: a Sigstore bundle whose DSSE envelope holds an in-toto statement that
/// lists a model's files. Read, not verified yet.
///
/// Sources: model-signing v1.0 (README, "Signature format"), DSSE v1, in-toto Statement v1, Sigstore bundle v0.3.
package struct ModelSignature: Sendable, Hashable {
    /// The media type of a bundle, which is its artifact type as a referrer too.
    package static let mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
    /// The predicate type of the statement.
    package static let predicateType = "https://model_signing/signature/v1.0"

    /// The bytes that were read.
    package let bytes: [UInt8]
    /// What the bundle calls its key; a claim that the signature proves or not.
    package let hint: String?
    private let payload: [UInt8]
    private let signature: [UInt8]

    static let payloadType = "application/vnd.in-toto+json"

    /// Reads a bundle; throws `badModelSignature` that names what is wrong with it.
    package init(parsing bytes: [UInt8]) throws(TrustError) {
        guard bytes.count <= TrustLimits.modelSignatureBytes else {
            throw Self.bad("it is over \(TrustLimits.modelSignatureBytes) bytes")
        }
        let bundle: JSONValue
        do {
            bundle = try JSONValue(parsing: bytes)
        } catch {
            throw Self.bad("it is not JSON")
        }
        guard bundle["mediaType"]?.string == Self.mediaType else {
            throw Self.bad("its media type is not \(Self.mediaType)")
        }
        guard let envelope = bundle["dsseEnvelope"] else { throw Self.bad("it has no DSSE envelope") }
        guard envelope["payloadType"]?.string == Self.payloadType else {
            throw Self.bad("its payload is not \(Self.payloadType)")
        }
        guard let signatures = envelope["signatures"]?.array, signatures.count == 1 else {
            throw Self.bad("it has not exactly one signature")
        }
        payload = try Self.base64(envelope["payload"], "payload")
        signature = try Self.base64(signatures[0]["sig"], "signature")
        hint = bundle["verificationMaterial"]?["publicKey"]?["hint"]?.string
        self.bytes = bytes
    }

    /// The statement, once one of `keys` is shown to have signed it; throws `badModelSignature` with the reason.
    package func verified(by keys: [ModelSignatureKey]) throws(TrustError) -> SignedModel {
        let message = Self.preAuthentication(payload)
        for key in keys where hint.map({ $0 == key.hint }) ?? true {
            if key.verify(signature, of: message) {
                return SignedModel(statement: try ModelStatement(parsing: payload), key: key)
            }
            if hint != nil { throw Self.bad("its signature does not verify under key \(key)") }
        }
        let named = hint.map { "key \($0.prefix(12))" } ?? "an unnamed key"
        throw Self.bad("it is by \(named), and \(keys.map(\.description).joined(separator: ", ")) is wanted")
    }

    /// Why the signature, could it be verified, would not stand for these files; nil where it would.
    package func claimRefusal(of files: [ModelFile]) throws(TrustError) -> String? {
        try ModelStatement(parsing: payload).refusal(of: files)
    }

    /// Signs a model's files with a P-256 key, so that the tool `model-signing` verifies the folder that holds them.
    ///
    /// `name` is what the statement calls the model. Throws `unsupportedKey`, or what the signer throws.
    package static func sign(_ name: String, _ files: [ModelFile], by signer: any Signer) throws -> ModelSignature {
        let key = try ModelSignatureKey(signer.publicKey)
        let payload = try ModelStatement.encode(name, files)
        let signature = try signer.sign(preAuthentication(payload))
        let bundle = JSONValue.object([
            "mediaType": .string(mediaType),
            "verificationMaterial": .object([
                "publicKey": .object(["hint": .string(key.hint)]), "tlogEntries": .array([]),
            ]),
            "dsseEnvelope": .object([
                "payload": .string(Data(payload).base64EncodedString()), "payloadType": .string(payloadType),
                "signatures": .array([
                    .object(["sig": .string(Data(signature).base64EncodedString()), "keyid": .string("")])
                ]),
            ]),
        ])
        return try ModelSignature(parsing: JSONText.encode(bundle))
    }

    /// What is signed: DSSE's pre-authentication encoding, so that the type is signed with the payload.
    private static func preAuthentication(_ payload: [UInt8]) -> [UInt8] {
        Array("DSSEv1 \(payloadType.utf8.count) \(payloadType) \(payload.count) ".utf8) + payload
    }

    private static func base64(_ value: JSONValue?, _ what: String) throws(TrustError) -> [UInt8] {
        guard let text = value?.string, let data = Data(base64Encoded: text), !data.isEmpty else {
            throw bad("its \(what) is not base64")
        }
        return Array(data)
    }

    static func bad(_ what: String) -> TrustError {
        TrustError(.badModelSignature, "The model signature cannot be used: \(what).")
    }
}
