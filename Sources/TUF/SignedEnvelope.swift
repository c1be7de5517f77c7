package import MartletTypes

/// A signed document: what `signed` says and who signed it. Nothing in it is trusted until `verify` returned.
///
/// Source: TUF 1.0 section 4.2. Signatures are over the canonical JSON of `signed`.
package struct SignedEnvelope: Sendable {
    /// One signature, not yet verified.
    package struct Signature: Sendable, Hashable {
        /// The identifier of the key, as the delegator writes it.
        package let keyID: String
        /// The signature in hexadecimal; may be anything until it is verified.
        package let sigHex: String

        package init(keyID: String, sigHex: String) {
            self.keyID = keyID
            self.sigHex = sigHex
        }
    }

    /// The document.
    package let signed: JSONValue
    /// The signatures; key identifiers are distinct.
    package let signatures: [Signature]
    /// Fields beside `signed` and `signatures`.
    let unrecognized: [String: JSONValue]

    init(signed: JSONValue, signatures: [Signature], unrecognized: [String: JSONValue] = [:]) {
        self.signed = signed
        self.signatures = signatures
        self.unrecognized = unrecognized
    }

    /// Parses at most `limit` bytes; throws `lengthExceeded` or `malformed`.
    package init(parsing bytes: [UInt8], limit: Int) throws(TUFError) {
        guard bytes.count <= limit else {
            throw TUFError(.lengthExceeded, "A signed document of \(bytes.count) bytes is over the limit of \(limit).")
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: bytes)
        } catch {
            throw TUFError(.malformed, "A signed document is not JSON.")
        }
        guard var members = document.object, let signed = members.removeValue(forKey: "signed"), signed.object != nil,
            let list = members.removeValue(forKey: "signatures")?.array
        else { throw TUFError(.malformed, "A signed document needs the fields signed and signatures.") }
        guard list.count <= Limits.signaturesPerEnvelope else {
            throw TUFError(.malformed, "A signed document has more than \(Limits.signaturesPerEnvelope) signatures.")
        }
        var signatures: [Signature] = []
        var seen = Set<String>()
        for element in list {
            guard let keyID = element["keyid"]?.string, let sigHex = element["sig"]?.string else {
                throw TUFError(.malformed, "A signature needs keyid and sig.")
            }
            guard seen.insert(keyID).inserted else {
                throw TUFError(.malformed, "Key \(keyID.prefix(Limits.quotedValueCharacters)) signed twice.")
            }
            signatures.append(Signature(keyID: keyID, sigHex: sigHex))
        }
        self.init(signed: signed, signatures: signatures, unrecognized: members)
    }

    /// Signs a document with every signer; throws `unsignable` where it has no canonical form.
    package static func sign(_ signed: JSONValue, by signers: [any Signer]) throws -> SignedEnvelope {
        var envelope = SignedEnvelope(signed: signed, signatures: [])
        for signer in signers {
            envelope = try envelope.adding(signatureBy: signer)
        }
        return envelope
    }

    /// The same document with one signature more; a former signature of the same key is replaced.
    package func adding(signatureBy signer: any Signer) throws -> SignedEnvelope {
        let message = try Self.message(of: signed)
        let keyID = signer.publicKey.keyID
        let signature = Signature(keyID: keyID, sigHex: Hex.encode(try signer.sign(message)))
        return SignedEnvelope(
            signed: signed, signatures: signatures.filter { $0.keyID != keyID } + [signature],
            unrecognized: unrecognized)
    }

    /// JSON with sorted keys, as files of metadata are written.
    package func encoded() -> [UInt8] {
        var members = unrecognized
        members["signed"] = signed
        members["signatures"] = .array(
            signatures.map { .object(["keyid": .string($0.keyID), "sig": .string($0.sigHex)]) })
        do {
            return try JSONText.encode(JSONValue.object(members))
        } catch {
            preconditionFailure("a JSON value without infinite numbers always encodes: \(error)")
        }
    }

    /// Checks that at least `threshold` distinct keys of `keys` (by key identifier) signed.
    ///
    /// A key that stands under two identifiers counts once. Signatures of other keys are ignored.
    /// Throws `badSignature` where none verifies, `thresholdNotMet` where too few do, `malformed` for a threshold
    /// below 1.
    package func verify(keys: [String: PublicKey], threshold: Int) throws(TUFError) {
        guard threshold >= 1 else { throw TUFError(.malformed, "A threshold of \(threshold) would trust anyone.") }
        let message = try Self.message(of: signed)
        var counted = Set<String>()
        for signature in signatures {
            guard let key = keys[signature.keyID], let bytes = Hex.decode(signature.sigHex),
                key.verify(signature: bytes, of: message)
            else { continue }
            counted.insert(key.identity)
        }
        if counted.isEmpty { throw TUFError(.badSignature, "No signature of a trusted key verifies.") }
        guard counted.count >= threshold else {
            throw TUFError(.thresholdNotMet, "\(counted.count) of the needed \(threshold) distinct keys signed.")
        }
    }

    static func message(of signed: JSONValue) throws(TUFError) -> [UInt8] {
        do {
            return try CanonicalJSON.encode(signed)
        } catch {
            throw TUFError(.unsignable, error.message)
        }
    }
}
