internal import CLibcrypto

/// A P-256 key in the TPM, which signs digests for a key that libcrypto's common providers can use.
///
/// `@unchecked Sendable`: the key is touched within `TPMConnection` alone, which keeps it for as long as the process
/// lives.
final class TPMSigner: @unchecked Sendable {
    private let key: OpaquePointer
    /// The public half as SubjectPublicKeyInfo in DER.
    let publicKeyDER: [UInt8]

    /// Takes over the reference; to be called within `TPMConnection.exclusively`.
    init(owning key: OpaquePointer) throws {
        self.key = key
        do {
            publicKeyDER = try Libcrypto.bytes("i2d_PUBKEY") { i2d_PUBKEY_bio($0, key) }
        } catch {
            EVP_PKEY_free(key)
            throw error
        }
    }

    /// Signs a SHA-256 digest; the signature is ECDSA's in DER.
    func sign(digest: [UInt8]) throws -> [UInt8] {
        try TPMConnection.exclusively { library in
            let context = try Libcrypto.check(
                EVP_PKEY_CTX_new_from_pkey(library, key, TPMConnection.properties), "EVP_PKEY_CTX_new_from_pkey")
            defer { EVP_PKEY_CTX_free(context) }
            try Libcrypto.check(EVP_PKEY_sign_init(context), "EVP_PKEY_sign_init")
            try Libcrypto.check(EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()), "EVP_PKEY_CTX_set_signature_md")
            var length = 0
            try Libcrypto.check(EVP_PKEY_sign(context, nil, &length, digest, digest.count), "EVP_PKEY_sign")
            var signature = [UInt8](repeating: 0, count: length)
            try Libcrypto.check(EVP_PKEY_sign(context, &signature, &length, digest, digest.count), "EVP_PKEY_sign")
            return Array(signature.prefix(length))
        }
    }
}

/// Keys for libcrypto's common providers, libssl among them, that sign through a `TPMSigner`.
enum DelegatedKey {
    /// A key that signs through `signer`, which it keeps. Throws `unsupportedKey` for all but P-256.
    static func make(_ signer: TPMSigner) throws -> KeyHandle {
        guard try KeyPair.publicHalf(ofDER: signer.publicKeyDER).0 == .ecdsaP256 else {
            throw TrustError(.unsupportedKey, "Keys in a TPM are ECDSA P-256 here.")
        }
        let method = try Libcrypto.check(Self.method.pointer, "EC_KEY_METHOD_new")
        let context = Unmanaged.passRetained(signer)
        let der = signer.publicKeyDER
        guard let key = martlet_ec_delegate(der, der.count, method, index, context.toOpaque()) else {
            context.release()
            throw Libcrypto.failure("EVP_PKEY_set1_EC_KEY")
        }
        return KeyHandle(owning: key, isToken: true)
    }

    /// Made once and never changed or freed.
    private struct Method: @unchecked Sendable {
        let pointer: OpaquePointer?
    }

    private static let method = Method(pointer: martlet_ec_method(sign))

    /// Where a key keeps its signer. Such a key cannot be copied: the copy would let go of the signer a second time.
    private static let index = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_EC_KEY, 0, nil, nil, { _, _, _, _, _, _ in 0 },
        { _, signer, _, _, _, _ in
            if let signer { Unmanaged<TPMSigner>.fromOpaque(signer).release() }
        })

    /// libcrypto's callback: a digest in, an `ECDSA_SIG *` out.
    private static let sign: martlet_ecdsa_sign = { digest, count, _, _, key in
        guard let digest, let key, let context = martlet_ec_context(key, index) else { return nil }
        let signer = Unmanaged<TPMSigner>.fromOpaque(context).takeUnretainedValue()
        let bytes = Array(UnsafeBufferPointer(start: digest, count: Int(count)))
        do {
            return try signer.sign(digest: bytes).withUnsafeBufferPointer { buffer in
                var start = buffer.baseAddress
                return d2i_ECDSA_SIG(nil, &start, buffer.count)
            }
        } catch {
            // Whoever called libcrypto finds it in the queue.
            martlet_raise("the TPM did not sign: \(error)")
            TPMConnection.forget(signer)
            return nil
        }
    }
}
