/// Where a private key is kept: a file, a token, a TPM, or whatever else OpenSSL's store reaches.
package protocol KeySource: Sendable {
    /// What prompts and errors call the key; holds no secret.
    var name: String { get }

    /// Opens the key; `passphrase` (or PIN) is asked only where the key is locked, on the calling thread.
    ///
    /// Throws `keyNotFound`, `passphraseNeeded`, `badPassphrase`, `keyUnreadable`, `unsupportedKey`,
    /// `tokenUnavailable`, or what `passphrase` throws.
    /// Cost: reads a file, or speaks to a token; an encrypted key takes about a quarter of a second.
    func open(passphrase: () throws -> [UInt8]?) throws -> KeyPair
}

/// A private key as people name it: the path of a PKCS#8 PEM file, or a URI.
///
/// A text with a scheme before its first slash is a URI, all else a path (write `./a:b` for a file so named). Of the
/// schemes, `pkcs11:` is a token's (RFC 7512), `handle:` and `object:` are a TPM's, and the rest is OpenSSL's store's.
package struct KeyLocation: Sendable, Hashable, CustomStringConvertible {
    /// As it was written.
    package let text: String

    package init(_ text: String) { self.text = text }

    /// The scheme of a URI in lower case; nil for a path.
    package var scheme: String? {
        let scheme = text.prefix { $0 != ":" && $0 != "/" }
        let isURI =
            scheme.count >= 2 && scheme.count < text.count && text.dropFirst(scheme.count).first == ":"
            && scheme.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+" || $0 == "-" || $0 == ".") }
        return isURI ? scheme.lowercased() : nil
    }

    /// Whether the key stays in hardware: it can be used, and neither copied nor made anew.
    package var isToken: Bool { ["pkcs11", "handle", "object"].contains(scheme) }

    /// Who opens it.
    package var source: any KeySource {
        switch scheme {
        case nil: FileKeySource(path: text)
        case "pkcs11": TokenKeySource(uri: text)
        case "handle", "object": StoreKeySource(uri: text, provider: .tpm)
        default: StoreKeySource(uri: text, provider: .standard)
        }
    }

    /// The text without a PIN that somebody wrote into it.
    package var description: String { source.name }

    /// Opens the key, see `KeySource`.
    package func open(passphrase: () throws -> [UInt8]?) throws -> KeyPair {
        try source.open(passphrase: passphrase)
    }
}
