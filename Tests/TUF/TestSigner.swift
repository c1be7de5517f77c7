import CLibcrypto
import MartletTypes
import TUF

/// A key in memory, of every scheme that is verified, so that the tests need no target above TUF.
final class TestSigner: Signer, @unchecked Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case ed25519, p256, p384, rsaPSS256, rsaPSS512, rsa1024
    }

    struct Failed: Error {}

    let kind: Kind
    let publicKey: PublicKey
    /// Never changed after init; each signature makes a context of its own.
    private let key: OpaquePointer

    init(_ kind: Kind = .ed25519) throws {
        self.kind = kind
        let names: [Kind: String] = [.ed25519: "ED25519", .p256: "EC", .p384: "EC"]
        let context = EVP_PKEY_CTX_new_from_name(nil, names[kind] ?? "RSA", nil)
        defer { EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1 else { throw Failed() }
        switch kind {
        case .ed25519: break
        case .p256: EVP_PKEY_CTX_set_group_name(context, "P-256")
        case .p384: EVP_PKEY_CTX_set_group_name(context, "P-384")
        case .rsaPSS256, .rsaPSS512: EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048)
        case .rsa1024: EVP_PKEY_CTX_set_rsa_keygen_bits(context, 1024)
        }
        guard EVP_PKEY_generate(context, &made) == 1, let made else { throw Failed() }
        key = made
        publicKey = try Self.publicKey(kind, made)
    }

    deinit { EVP_PKEY_free(key) }

    private static func publicKey(_ kind: Kind, _ key: OpaquePointer) throws -> PublicKey {
        if kind == .ed25519 {
            var raw = [UInt8](repeating: 0, count: 32)
            var length = raw.count
            guard EVP_PKEY_get_raw_public_key(key, &raw, &length) == 1 else { throw Failed() }
            return PublicKey(keytype: "ed25519", scheme: "ed25519", value: Hex.encode(raw))
        }
        guard let bio = BIO_new(BIO_s_mem()), PEM_write_bio_PUBKEY(bio, key) == 1 else { throw Failed() }
        defer { BIO_free(bio) }
        var start: UnsafeMutablePointer<CChar>?
        let count = martlet_bio_memory(bio, &start)
        let pem = String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
        return switch kind {
        case .p256: PublicKey(keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256", value: pem)
        case .p384: PublicKey(keytype: "ecdsa", scheme: "ecdsa-sha2-nistp384", value: pem)
        case .rsaPSS512: PublicKey(keytype: "rsa", scheme: "rsassa-pss-sha512", value: pem)
        default: PublicKey(keytype: "rsa", scheme: "rsassa-pss-sha256", value: pem)
        }
    }

    func sign(_ message: [UInt8]) throws -> [UInt8] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        let digests: [Kind: String] = [
            .p256: "SHA256", .p384: "SHA384", .rsaPSS256: "SHA256", .rsaPSS512: "SHA512", .rsa1024: "SHA256",
        ]
        var parameters: OpaquePointer?
        guard EVP_DigestSignInit_ex(context, &parameters, digests[kind], nil, nil, key, nil) == 1 else {
            throw Failed()
        }
        if publicKey.keytype == "rsa" {
            EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING)
        }
        var length = 0
        guard EVP_DigestSign(context, nil, &length, message, message.count) == 1 else { throw Failed() }
        var signature = [UInt8](repeating: 0, count: length)
        guard EVP_DigestSign(context, &signature, &length, message, message.count) == 1 else { throw Failed() }
        return Array(signature.prefix(length))
    }
}
