internal import MartletTypes

/// How several people sign one document, one after the other.
extension SignedEnvelope {
    /// The keys of a role whose signatures are there and verify, by identifier.
    ///
    /// A key that stands under two identifiers is named once. Throws `unsignable` where the document has no canonical
    /// form.
    package func signers(of role: RoleVerifier) throws(TUFError) -> [String] {
        let message = try Self.message(of: signed)
        var found: [String: String] = [:]
        for signature in signatures {
            guard let key = role.keys[signature.keyID], let bytes = Hex.decode(signature.sigHex),
                key.verify(signature: bytes, of: message)
            else { continue }
            if found[key.identity] == nil { found[key.identity] = signature.keyID }
        }
        return found.values.sorted()
    }

    /// The same document with the signatures of another copy of it added, those here first; nil where the other signs
    /// a different document.
    package func gathering(_ other: SignedEnvelope) -> SignedEnvelope? {
        guard signed == other.signed else { return nil }
        let known = Set(signatures.map(\.keyID))
        return SignedEnvelope(
            signed: signed, signatures: signatures + other.signatures.filter { !known.contains($0.keyID) },
            unrecognized: unrecognized)
    }

    /// The same document with those signatures only that verify under one of the roles' keys: what strangers added is
    /// dropped.
    package func keepingSignatures(of roles: [RoleVerifier]) throws(TUFError) -> SignedEnvelope {
        var valid = Set<String>()
        for role in roles { valid.formUnion(try signers(of: role)) }
        return SignedEnvelope(
            signed: signed, signatures: signatures.filter { valid.contains($0.keyID) }, unrecognized: unrecognized)
    }

    /// Whether enough keys of every role have signed.
    package func isSigned(by roles: [RoleVerifier]) throws(TUFError) -> Bool {
        for role in roles {
            guard role.threshold >= 1, try signers(of: role).count >= role.threshold else { return false }
        }
        return !roles.isEmpty
    }
}
