package import MartletTypes

/// A public key as metadata writes it. Unknown key types and schemes are kept and verify nothing.
///
/// Source: TUF 1.0 section 4.2, "KEY".
package struct PublicKey: Sendable, Hashable {
    /// E.g. `ed25519`, `ecdsa`, `rsa`.
    package let keytype: String
    /// E.g. `ed25519`, `ecdsa-sha2-nistp256`, `rsassa-pss-sha256`.
    package let scheme: String
    /// 64 hexadecimal digits for Ed25519, PEM (SubjectPublicKeyInfo) for the others.
    package let value: String
    /// Fields beyond the specification, which count for the key identifier of whoever wrote them.
    private let unrecognized: [String: JSONValue]

    package init(keytype: String, scheme: String, value: String) {
        self.keytype = keytype
        self.scheme = scheme
        self.value = value
        unrecognized = [:]
    }

    /// Reads a key object; throws `malformed` where `keytype`, `scheme` or `keyval` are absent or wrong.
    package init(json: JSONValue) throws(TUFError) {
        guard var members = json.object, let keytype = members.removeValue(forKey: "keytype")?.string,
            let scheme = members.removeValue(forKey: "scheme")?.string,
            let keyval = members.removeValue(forKey: "keyval")?.object
        else { throw TUFError(.malformed, "A key needs keytype, scheme and keyval.") }
        self.keytype = keytype
        self.scheme = scheme
        value = keyval["public"]?.string ?? ""
        if keyval.count != 1 || keyval["public"]?.string == nil { members["keyval"] = .object(keyval) }
        unrecognized = members
    }

    /// The key as metadata writes it, unknown fields included.
    package var json: JSONValue {
        var members = unrecognized
        members["keytype"] = .string(keytype)
        members["scheme"] = .string(scheme)
        if members["keyval"] == nil { members["keyval"] = .object(["public": .string(value)]) }
        return .object(members)
    }

    /// SHA-256 of the canonical JSON of keytype, scheme and public value, in hexadecimal: how securesystemslib names
    /// keys.
    package var keyID: String {
        let essential = JSONValue.object([
            "keytype": .string(keytype), "scheme": .string(scheme), "keyval": .object(["public": .string(value)]),
        ])
        do {
            return Digest.of(try CanonicalJSON.encode(essential)).hex
        } catch {
            preconditionFailure("an object of strings always has a canonical form: \(error)")
        }
    }

    /// What makes two keys the same key when signatures are counted, whatever identifier they stand under.
    ///
    /// The scheme is left out and white space of PEM ignored, so that one key in two spellings counts once.
    var identity: String {
        keytype == "ed25519" ? value.lowercased() : String(value.unicodeScalars.filter { !$0.properties.isWhitespace })
    }
}
