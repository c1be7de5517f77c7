internal import CLibcrypto

extension KeyPair {
    /// Parameters of scrypt for encrypted keys.
    ///
    /// OpenSSL reads at most 32 MiB of scrypt memory, so N is 2^14; p = 5 makes up for it (OWASP's equivalent of
    /// N = 2^17). Opening such a key takes about a quarter of a second.
    private enum Scrypt {
        static let cost: UInt64 = 1 << 14
        static let blockSize: UInt64 = 8
        static let parallelization: UInt64 = 5
    }

    /// Reads one private key from PEM; throws `passphraseNeeded`, `badPassphrase`, `keyUnreadable` or `unsupportedKey`.
    package init(pem: [UInt8], passphrase: [UInt8]? = nil) throws {
        guard pem.count <= TrustLimits.keyBytes else {
            throw TrustError(.keyUnreadable, "The key file is over \(TrustLimits.keyBytes) bytes.")
        }
        let source = PassphraseCallback { passphrase }
        let pointer: OpaquePointer = try Libcrypto.reading(pem) { bio in
            guard let key = PEM_read_bio_PrivateKey(bio, nil, passphraseCallback, source.context) else {
                throw try source.failure(what: "the PEM text")
            }
            return key
        }
        try self.init(handle: KeyHandle(owning: pointer))
    }

    /// PKCS#8 in PEM; with a passphrase encrypted by PBES2 (scrypt, AES-256-CBC), which `openssl pkey` reads.
    ///
    /// Throws `keyInToken` for a key that stays in hardware.
    package func pem(passphrase: [UInt8]? = nil) throws -> [UInt8] {
        guard !isToken else { throw TrustError(.keyInToken, "The private key does not leave its token.") }
        guard let passphrase else {
            return try withEVP { key in
                try Libcrypto.bytes("PEM_write_bio_PKCS8PrivateKey") {
                    PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil)
                }
            }
        }
        guard !passphrase.isEmpty, passphrase.count <= TrustLimits.passphraseBytes else {
            throw TrustError(
                .badPassphrase, "A passphrase has 1 to \(TrustLimits.passphraseBytes) bytes.")
        }
        let document = try withEVP { try Libcrypto.check(EVP_PKEY2PKCS8($0), "EVP_PKEY2PKCS8") }
        defer { PKCS8_PRIV_KEY_INFO_free(document) }
        var salt = try RandomBytes.make(16)
        var vector = try RandomBytes.make(16)
        let algorithm = try Libcrypto.check(
            PKCS5_pbe2_set_scrypt(
                EVP_aes_256_cbc(), &salt, Int32(salt.count), &vector, Scrypt.cost, Scrypt.blockSize,
                Scrypt.parallelization), "PKCS5_pbe2_set_scrypt")
        let encrypted = passphrase.withUnsafeBytes { secret in
            PKCS8_set0_pbe(
                secret.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(secret.count), document, algorithm)
        }
        guard let encrypted else {
            X509_ALGOR_free(algorithm)
            throw Libcrypto.failure("PKCS8_set0_pbe")
        }
        defer { X509_SIG_free(encrypted) }
        return try Libcrypto.bytes("PEM_write_bio_PKCS8") { PEM_write_bio_PKCS8($0, encrypted) }
    }
}
