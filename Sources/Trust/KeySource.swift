internal import CLibcrypto
private import Glibc

/// Where a private key is kept: all are opened by the same call, through OpenSSL's store.
package enum KeySource: Sendable, Hashable {
    /// A PKCS#8 PEM file, encrypted or not.
    case file(String)
    /// Anything that a loader of OpenSSL knows: `file:` now, `pkcs11:` or a TPM's where such a provider is configured.
    case uri(String)

    /// A text with a scheme before its first slash is a URI, all else a path (write `./a:b` for a file so named).
    package init(_ text: String) {
        let scheme = text.prefix { $0 != ":" && $0 != "/" }
        let isURI =
            scheme.count >= 2 && scheme.count < text.count && text.dropFirst(scheme.count).first == ":"
            && scheme.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+" || $0 == "-" || $0 == ".") }
        self = isURI ? .uri(text) : .file(text)
    }

    /// Opens the key that `text` names; `passphrase` is asked only where the key is encrypted, on the calling thread.
    ///
    /// Throws `keyNotFound`, `passphraseNeeded`, `badPassphrase`, `keyUnreadable`, `unsupportedKey`, or what
    /// `passphrase` throws.
    /// Cost: reads a file; an encrypted key takes about a quarter of a second; a token may take longer.
    package static func open(_ text: String, passphrase: () throws -> [UInt8]?) throws -> KeyPair {
        try KeySource(text).open(passphrase: passphrase)
    }

    /// Opens the key, see the static function.
    package func open(passphrase: () throws -> [UInt8]?) throws -> KeyPair {
        let location: String
        switch self {
        case .file(let path):
            guard access(path, R_OK) == 0 else {
                let reason = String(cString: strerror(errno))
                throw TrustError(.keyNotFound, "The key file \(path) cannot be read: \(reason).")
            }
            // An absolute path cannot be mistaken for a URI by the store.
            location = path.hasPrefix("/") ? path : "./" + path
        case .uri(let uri):
            location = uri
        }
        return try withoutActuallyEscaping(passphrase) { try Self.load(location, PassphraseSource($0)) }
    }

    private static func load(_ location: String, _ source: PassphraseSource) throws -> KeyPair {
        let prompt = try Libcrypto.check(
            UI_UTIL_wrap_read_pem_callback(passphraseCallback, 0), "UI_UTIL_wrap_read_pem_callback")
        defer { UI_destroy_method(prompt) }
        return try withExtendedLifetime(source) {
            guard let store = OSSL_STORE_open(location, prompt, source.context, nil, nil) else {
                throw Libcrypto.failure(.keyNotFound, "OpenSSL's store cannot open \(location)")
            }
            defer { OSSL_STORE_close(store) }
            try Libcrypto.check(OSSL_STORE_expect(store, Int32(OSSL_STORE_INFO_PKEY)), "OSSL_STORE_expect")
            while OSSL_STORE_eof(store) == 0 {
                guard let item = OSSL_STORE_load(store) else {
                    if OSSL_STORE_error(store) != 0 { break }
                    continue
                }
                defer { OSSL_STORE_INFO_free(item) }
                if OSSL_STORE_INFO_get_type(item) == Int32(OSSL_STORE_INFO_PKEY),
                    let key = OSSL_STORE_INFO_get1_PKEY(item)
                {
                    return try KeyPair(handle: KeyHandle(owning: key))
                }
            }
            throw try source.failure(what: location)
        }
    }
}
