internal import CLibcrypto
private import MartletTypes
package import TUF

/// A private key and what it can do. The private part stays behind libcrypto, in memory or in a token.
package struct KeyPair: Signer {
    /// The kinds of key that Martlet makes and signs with.
    package enum Kind: String, Sendable, CaseIterable {
        case ed25519
        case ecdsaP256
    }

    /// The kind of the key.
    package let kind: Kind
    /// The public half as TUF metadata writes it.
    package let publicKey: PublicKey
    /// The public half as SubjectPublicKeyInfo in DER.
    package let publicKeyDER: [UInt8]
    private let handle: KeyHandle

    /// Takes over a key; throws `unsupportedKey` for other kinds.
    init(handle: KeyHandle) throws {
        self.handle = handle
        (kind, publicKey) = try Self.publicHalf(of: handle.pointer)
        publicKeyDER = try Libcrypto.bytes("i2d_PUBKEY") { i2d_PUBKEY_bio($0, handle.pointer) }
    }

    /// Whether the private half stays in hardware, so that `pem` cannot give it.
    package var isToken: Bool { handle.isToken }

    /// A new key. Cost: under a millisecond.
    package static func generate(_ kind: Kind) throws -> KeyPair {
        let name = kind == .ed25519 ? "ED25519" : "EC"
        let context = try Libcrypto.check(EVP_PKEY_CTX_new_from_name(nil, name, nil), "EVP_PKEY_CTX_new")
        defer { EVP_PKEY_CTX_free(context) }
        try Libcrypto.check(EVP_PKEY_keygen_init(context), "EVP_PKEY_keygen_init")
        if kind == .ecdsaP256 {
            try Libcrypto.check(EVP_PKEY_CTX_set_group_name(context, "P-256"), "EVP_PKEY_CTX_set_group_name")
        }
        var key: OpaquePointer?
        try Libcrypto.check(EVP_PKEY_generate(context, &key), "EVP_PKEY_generate")
        return try KeyPair(handle: KeyHandle(owning: try Libcrypto.check(key, "EVP_PKEY_generate")))
    }

    /// Signs by the scheme of `publicKey`: Ed25519, or ECDSA over SHA-256 in DER.
    package func sign(_ message: [UInt8]) throws -> [UInt8] {
        // A fresh context for each signature: contexts are not shared between threads.
        let context = try Libcrypto.check(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
        defer { EVP_MD_CTX_free(context) }
        let digest = kind == .ecdsaP256 ? "SHA256" : nil
        try Libcrypto.check(
            EVP_DigestSignInit_ex(context, nil, digest, nil, nil, handle.pointer, nil), "EVP_DigestSignInit")
        var length = 0
        try Libcrypto.check(EVP_DigestSign(context, nil, &length, message, message.count), "EVP_DigestSign")
        var signature = [UInt8](repeating: 0, count: length)
        try Libcrypto.check(EVP_DigestSign(context, &signature, &length, message, message.count), "EVP_DigestSign")
        return Array(signature.prefix(length))
    }

    /// Lends the `EVP_PKEY *` to libcurl or X.509 functions; it must not be kept without a reference of one's own.
    package func withEVP<Value>(_ body: (OpaquePointer) throws -> Value) rethrows -> Value {
        try withExtendedLifetime(handle) { try body(handle.pointer) }
    }

    /// The same of a key as SubjectPublicKeyInfo in DER.
    static func publicHalf(ofDER der: [UInt8]) throws -> (Kind, PublicKey) {
        try Libcrypto.reading(der) { bio in
            guard let key = d2i_PUBKEY_bio(bio, nil) else {
                throw Libcrypto.failure(.unsupportedKey, "Not a public key in DER")
            }
            defer { EVP_PKEY_free(key) }
            return try publicHalf(of: key)
        }
    }

    /// Kind and public half of a key; throws `unsupportedKey` for all but Ed25519 and P-256.
    static func publicHalf(of key: OpaquePointer) throws -> (Kind, PublicKey) {
        if EVP_PKEY_is_a(key, "ED25519") == 1 {
            var raw = [UInt8](repeating: 0, count: 32)
            var length = raw.count
            try Libcrypto.check(EVP_PKEY_get_raw_public_key(key, &raw, &length), "EVP_PKEY_get_raw_public_key")
            return (.ed25519, PublicKey(keytype: "ed25519", scheme: "ed25519", value: Hex.encode(raw)))
        }
        if EVP_PKEY_is_a(key, "EC") == 1, EVP_PKEY_get_bits(key) == 256, try isP256(key) {
            let pem = try Libcrypto.bytes("PEM_write_bio_PUBKEY") { PEM_write_bio_PUBKEY($0, key) }
            let text = String(decoding: pem, as: UTF8.self)
            return (.ecdsaP256, PublicKey(keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256", value: text))
        }
        ERR_clear_error()
        throw TrustError(.unsupportedKey, "The key is neither Ed25519 nor ECDSA P-256.")
    }

    private static func isP256(_ key: OpaquePointer) throws -> Bool {
        var name = [CChar](repeating: 0, count: 64)
        var length = 0
        try Libcrypto.check(EVP_PKEY_get_group_name(key, &name, name.count, &length), "EVP_PKEY_get_group_name")
        return name.prefix(length).map(UInt8.init(bitPattern:)) == Array("prime256v1".utf8)
    }
}

extension PublicKey {
    /// A key from SubjectPublicKeyInfo in DER, e.g. that of a device's certificate; throws `unsupportedKey`.
    package init(subjectPublicKeyInfo der: [UInt8]) throws {
        self = try KeyPair.publicHalf(ofDER: der).1
    }
}
