internal import CLibcrypto
private import MartletTypes

extension PublicKey {
    /// RSA keys below this are refused: NIST SP 800-131A disallows them since 2014.
    private static let minimumRSABits: Int32 = 2048

    /// Whether `signature` is this key's signature of `message`. False for any unknown scheme or malformed key.
    package func verify(signature: [UInt8], of message: [UInt8]) -> Bool {
        switch (keytype, scheme) {
        case ("ed25519", "ed25519"):
            guard let raw = Hex.decode(value), raw.count == 32,
                let key = EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, raw, raw.count)
            else { return Self.failed() }
            defer { EVP_PKEY_free(key) }
            return Self.verify(signature, of: message, key: key, digest: nil)
        case ("ecdsa", "ecdsa-sha2-nistp256"), ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"):
            return withPEMKey { key in
                Self.isCurve(key, "prime256v1") && Self.verify(signature, of: message, key: key, digest: "SHA256")
            }
        case ("ecdsa", "ecdsa-sha2-nistp384"), ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"):
            return withPEMKey { key in
                Self.isCurve(key, "secp384r1") && Self.verify(signature, of: message, key: key, digest: "SHA384")
            }
        case ("rsa", "rsassa-pss-sha256"), ("rsa", "rsassa-pss-sha512"):
            let digest = scheme.hasSuffix("512") ? "SHA512" : "SHA256"
            return withPEMKey { key in
                EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= Self.minimumRSABits
                    && Self.verify(signature, of: message, key: key, digest: digest, pss: true)
            }
        default:
            return false
        }
    }

    /// Parses the PEM into a key for the length of `body`; false where it is not a public key.
    private func withPEMKey(_ body: (OpaquePointer) -> Bool) -> Bool {
        let pem = Array(value.utf8)
        guard let length = Int32(exactly: pem.count), let bio = BIO_new_mem_buf(pem, length) else {
            return Self.failed()
        }
        defer { BIO_free(bio) }
        guard let key = PEM_read_bio_PUBKEY(bio, nil, nil, nil) else { return Self.failed() }
        defer { EVP_PKEY_free(key) }
        return body(key)
    }

    private static func isCurve(_ key: OpaquePointer, _ name: String) -> Bool {
        var buffer = [CChar](repeating: 0, count: 64)
        var length = 0
        guard EVP_PKEY_is_a(key, "EC") == 1, EVP_PKEY_get_group_name(key, &buffer, buffer.count, &length) == 1 else {
            return failed()
        }
        return String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self) == name
    }

    private static func verify(
        _ signature: [UInt8], of message: [UInt8], key: OpaquePointer, digest: String?, pss: Bool = false
    ) -> Bool {
        guard let context = EVP_MD_CTX_new() else { return failed() }
        defer { EVP_MD_CTX_free(context) }
        var parameters: OpaquePointer?
        guard EVP_DigestVerifyInit_ex(context, &parameters, digest, nil, nil, key, nil) == 1 else { return failed() }
        if pss {
            // Any salt length is accepted, because securesystemslib's older signers used the longest.
            guard EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, martlet_rsa_salt_length_auto()) == 1
            else { return failed() }
        }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1 || failed()
    }

    /// False, with the thread's error queue emptied: libcrypto would otherwise report it at some later, unrelated call.
    private static func failed() -> Bool {
        ERR_clear_error()
        return false
    }
}
