package import TUF

/// What shall become of the keys of a role.
package struct KeyChange: Sendable {
    /// Keys that may sign from now on.
    package var adding: [PublicKey]
    /// Identifiers, or their beginnings, of keys that may not any more.
    package var removing: [String]
    /// How many must sign; nil keeps the number.
    package var threshold: Int?
    /// Whether the added keys take the place of all others.
    package var replacesAll: Bool

    package init(
        adding: [PublicKey] = [], removing: [String] = [], threshold: Int? = nil, replacesAll: Bool = false
    ) {
        self.adding = adding
        self.removing = removing
        self.threshold = threshold
        self.replacesAll = replacesAll
    }

    /// Least characters of an identifier's beginning: few keys share four bytes by chance.
    package static let prefixCharacters = 8

    /// The keys and threshold after it. Throws `badRequest` where a key is not there, or too few are left.
    func applied(to verifier: RoleVerifier, of role: String) throws(PublishError) -> (keys: [PublicKey], threshold: Int)
    {
        var keys = replacesAll ? [:] : verifier.keys
        for prefix in removing {
            let found = verifier.keys.keys.filter { $0.hasPrefix(prefix.lowercased()) }
            guard prefix.count >= Self.prefixCharacters, found.count == 1, let keyID = found.first else {
                throw PublishError(
                    .badRequest, "\(prefix) is not the identifier of one key of \(role).",
                    remedy: "`martlet trust status` shows them; \(Self.prefixCharacters) characters are enough.")
            }
            keys[keyID] = nil
        }
        for key in adding { keys[key.keyID] = key }
        let threshold = threshold ?? min(verifier.threshold, replacesAll ? max(keys.count, 1) : verifier.threshold)
        guard threshold >= 1, keys.count >= threshold else {
            throw PublishError(
                .badRequest, "\(role) would have \(keys.count) keys, and \(threshold) of them would have to sign.",
                remedy: "Add a key with --add-key FILE, or lower the threshold with --threshold.")
        }
        return (keys.sorted { $0.key < $1.key }.map(\.value), threshold)
    }
}
