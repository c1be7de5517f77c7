internal import CLibcrypto

/// A key of a PKCS#11 token by RFC 7512 URI, through the engine `pkcs11` (libengine-pkcs11-openssl).
///
/// The module is the URI's `module-path`, else `$PKCS11_MODULE_PATH`, else p11-kit's, which offers every module that is
/// registered with it. Debian 12 has no provider for PKCS#11; where one comes, only this file changes.
struct TokenKeySource: KeySource {
    let uri: String

    /// Without a PIN: names stand in errors and logs.
    var name: String { uri(without: ["pin-value"]) }

    func open(passphrase: () throws -> [UInt8]?) throws -> KeyPair {
        guard attribute("pin-value") == nil else {
            throw TrustError(
                .keyNotFound, "The URI \(name) had a pin-value, which every user of this machine could have read.")
        }
        return try withoutActuallyEscaping(passphrase) { try load(PassphraseCallback($0)) }
    }

    private func load(_ secret: PassphraseCallback) throws -> KeyPair {
        let engine = try makeEngine()
        let prompt = try secret.method()
        defer { UI_destroy_method(prompt) }
        return try withExtendedLifetime(secret) {
            // The engine does not know `module-path` and would refuse the URI.
            let uri = uri(without: ["module-path"])
            guard let key = martlet_engine_load_key(engine, uri, prompt, secret.context) else {
                let error = try secret.failure(what: name)
                throw error.reason == .keyUnreadable ? TrustError(.keyNotFound, error.message) : error
            }
            return try KeyPair(handle: KeyHandle(owning: key, isToken: true))
        }
    }

    /// An instance of the engine for this key alone, because an instance tries the PIN of one token on the next, and a
    /// wrong PIN counts towards locking it.
    ///
    /// Never finished: the key refers to it, and the modules of some makers do not survive being finished.
    private func makeEngine() throws -> OpaquePointer {
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_ENGINE_DYNAMIC), nil)
        guard let engine = martlet_engine_by_id("pkcs11") else {
            throw Libcrypto.failure(.tokenUnavailable, "OpenSSL's engine pkcs11 cannot be loaded")
        }
        martlet_engine_command(engine, "QUIET", nil)
        if let module = attribute("module-path"), martlet_engine_command(engine, "MODULE_PATH", module) != 1 {
            throw Libcrypto.failure(.tokenUnavailable, "The engine pkcs11 refuses the module \(module)")
        }
        guard martlet_engine_init(engine) == 1 else {
            throw Libcrypto.failure(.tokenUnavailable, "OpenSSL's engine pkcs11 does not start")
        }
        return engine
    }

    /// The attributes of path and query: `pkcs11:token=a;object=b?module-path=/c`.
    private var attributes: (path: [Substring], query: [Substring]) {
        let rest = uri.dropFirst("pkcs11:".count)
        let path = rest.prefix { $0 != "?" }
        return (path.split(separator: ";"), rest.dropFirst(path.count + 1).split(separator: "&"))
    }

    /// The value of an attribute, percent-decoded.
    private func attribute(_ name: String) -> String? {
        let (path, query) = attributes
        guard let found = (path + query).first(where: { $0.hasPrefix(name + "=") }) else { return nil }
        return Self.decoded(found.dropFirst(name.count + 1))
    }

    private func uri(without names: [String]) -> String {
        let (path, query) = attributes
        func isKept(_ attribute: Substring) -> Bool { !names.contains { attribute.hasPrefix($0 + "=") } }
        let kept = query.filter(isKept).joined(separator: "&")
        return "pkcs11:" + path.filter(isKept).joined(separator: ";") + (kept.isEmpty ? "" : "?" + kept)
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
