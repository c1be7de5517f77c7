internal import CLibcrypto
internal import Glibc
internal import Synchronization

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
                .pinInURI, "The URI \(name) had a pin-value, which every user of this machine could have read.")
        }
        return try withoutActuallyEscaping(passphrase) { try load(PassphraseCallback($0)) }
    }

    private func load(_ secret: PassphraseCallback) throws -> KeyPair {
        // The engine does not know `module-path` and would refuse the URI.
        let uri = uri(without: ["module-path"])
        let prompt = try secret.method()
        defer { UI_destroy_method(prompt) }
        return try TokenEngine.exclusively(token: token, module: attribute("module-path"), secret) { engine in
            try withExtendedLifetime(secret) {
                guard let key = martlet_engine_load_key(engine, uri, prompt, secret.context) else {
                    throw try failure(secret)
                }
                return try KeyPair(handle: KeyHandle(owning: key, isToken: true))
            }
        }
    }

    /// Why there is no key: the oldest error is the token's own, by its PKCS#11 return value.
    private func failure(_ secret: PassphraseCallback) throws -> TrustError {
        let cause = ERR_peek_error()
        let error = try secret.failure(what: name)
        let library = ERR_lib_error_string(cause).map { String(cString: $0) } ?? ""
        // CKR_PIN_INCORRECT, _INVALID, _LEN_RANGE, _EXPIRED and _LOCKED.
        let isPIN = library.hasPrefix("PKCS#11") && (0xa0...0xa4).contains(ERR_GET_REASON(cause))
        switch error.reason {
        case .passphraseNeeded: return error
        case _ where isPIN: return TrustError(.badPassphrase, "The token of \(name) refuses the PIN.")
        default:
            return TrustError(
                .keyNotFound,
                "No token has a P-256 key \(name), or one of its keys is of a kind that the engine does "
                    + "not read.")
        }
    }

    /// What of the URI names the token and not the key.
    private var token: String {
        let ofKey = ["object=", "id=", "type="]
        return attributes.path.filter { part in !ofKey.contains { part.hasPrefix($0) } }.sorted().joined(separator: ";")
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

/// The one instance of the engine `pkcs11` in this process, used by one caller at a time to load keys; libp11 locks
/// what
/// keys do later.
///
/// Never finished: keys refer to it, and modules of some makers do not survive being finished.
private enum TokenEngine {
    private struct State: @unchecked Sendable {
        var engine: OpaquePointer?
        /// What keys were loaded from so far: the engine serves one module, and keeps the last PIN that it was told.
        var module: String?
        var token: String?
    }

    private static let state = Mutex(State())

    static func exclusively(
        token: String, module: String?, _ secret: PassphraseCallback, _ load: (OpaquePointer) throws -> KeyPair
    ) throws -> KeyPair {
        try state.withLock { state in
            let engine = try state.engine ?? start()
            state.engine = engine
            if state.token == nil, let module {
                guard martlet_engine_command(engine, "MODULE_PATH", module) == 1 else {
                    throw Libcrypto.failure(.tokenUnavailable, "The engine pkcs11 refuses the module \(module)")
                }
            } else if let module, module != state.module ?? getenv("PKCS11_MODULE_PATH").map({ String(cString: $0) }) {
                throw TrustError(.tokenUnavailable, "One process speaks to tokens through one module, not two.")
            }
            // It would try the PIN of the last token on this one, and a wrong PIN counts towards locking it.
            if let last = state.token, last != token {
                guard martlet_engine_command(engine, "PIN", try secret.text()) == 1 else {
                    throw Libcrypto.failure(.tokenUnavailable, "The engine pkcs11 takes no PIN")
                }
            }
            let key = try load(engine)
            state.module = module ?? state.module
            state.token = token
            return key
        }
    }

    private static func start() throws -> OpaquePointer {
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_ENGINE_DYNAMIC), nil)
        guard let engine = martlet_engine_by_id("pkcs11") else {
            throw Libcrypto.failure(.tokenUnavailable, "OpenSSL's engine pkcs11 cannot be loaded")
        }
        martlet_engine_command(engine, "QUIET", nil)
        guard martlet_engine_init(engine) == 1 else {
            throw Libcrypto.failure(.tokenUnavailable, "OpenSSL's engine pkcs11 does not start")
        }
        return engine
    }
}
