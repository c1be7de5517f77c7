internal import CLibcrypto
internal import Glibc

/// A PEM file: PKCS#8, encrypted or not, or a key that a TPM has wrapped (`TSS2 PRIVATE KEY`).
struct FileKeySource: KeySource {
    let path: String

    var name: String { path }

    func open(passphrase: () throws -> [UInt8]?) throws -> KeyPair {
        guard access(path, R_OK) == 0 else {
            let reason = String(cString: strerror(errno))
            throw TrustError(.keyNotFound, "The key file \(path) cannot be read: \(reason).")
        }
        // An absolute path cannot be mistaken for a URI by the store.
        let location = path.hasPrefix("/") ? path : "./" + path
        guard let wrapped = wrappedByTPM() else {
            return try StoreKeySource(uri: location, provider: .standard).open(passphrase: passphrase)
        }
        return try StoreKeySource(uri: location, provider: .tpm, identity: wrapped).open(passphrase: passphrase)
    }

    /// The text of a key that a TPM has wrapped; nil for any other file. Only the TPM's provider reads these, and it
    /// must be asked for by name.
    private func wrappedByTPM() -> String? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: TrustLimits.keyBytes)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        return text.hasPrefix("-----BEGIN TSS2 PRIVATE KEY-----") ? text : nil
    }
}

/// Whatever OpenSSL's store opens by URI: `file:`, a TPM's `handle:` and `object:`, or the scheme of a provider that
/// the system's configuration of OpenSSL loads.
struct StoreKeySource: KeySource {
    let uri: String
    let provider: CryptoProvider
    /// What tells a TPM's key from others where the URI does not.
    var identity: String?

    var name: String { uri }

    func open(passphrase: () throws -> [UInt8]?) throws -> KeyPair {
        try withoutActuallyEscaping(passphrase) { passphrase in
            let secret = PassphraseCallback(passphrase)
            guard provider == .tpm else {
                return try KeyPair(handle: KeyHandle(owning: try load(secret, nil)))
            }
            let signer = try TPMConnection.key(identity ?? uri) { try TPMSigner(owning: try load(secret, $0)) }
            return try KeyPair(handle: try DelegatedKey.make(signer))
        }
    }

    private func load(_ secret: PassphraseCallback, _ context: OpaquePointer?) throws -> OpaquePointer {
        let prompt = try secret.method()
        defer { UI_destroy_method(prompt) }
        return try withExtendedLifetime(secret) {
            let store = OSSL_STORE_open_ex(uri, context, nil, prompt, secret.context, nil, nil, nil)
            guard let store else {
                throw Libcrypto.failure(.keyNotFound, "OpenSSL's store cannot open \(uri)")
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
                    return key
                }
            }
            let error = try secret.failure(what: uri)
            let isAbsent = error.reason == .keyUnreadable && KeyLocation(uri).isToken
            throw isAbsent ? TrustError(.keyNotFound, error.message) : error
        }
    }
}
