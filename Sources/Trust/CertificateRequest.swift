internal import CLibcrypto
package import TUF

/// A certificate signing request whose own signature was verified.
package struct CertificateRequest: Sendable {
    /// What the requester calls itself; whoever issues decides what the certificate says.
    package let commonName: String
    /// The key that is to be certified, as SubjectPublicKeyInfo in DER.
    package let publicKeyDER: [UInt8]
    /// The same as TUF writes keys.
    package let publicKey: PublicKey

    /// A request in DER for the key, signed by it.
    package static func make(key: KeyPair, commonName: String) throws -> [UInt8] {
        let request = try Libcrypto.check(X509_REQ_new(), "X509_REQ_new")
        defer { X509_REQ_free(request) }
        try Libcrypto.check(X509_REQ_set_version(request, 0), "X509_REQ_set_version")
        try CertificateBuilder.addCommonName(commonName, to: X509_REQ_get_subject_name(request))
        try key.withEVP { evp in
            try Libcrypto.check(X509_REQ_set_pubkey(request, evp), "X509_REQ_set_pubkey")
            let digest = key.kind == .ed25519 ? nil : EVP_sha256()
            guard X509_REQ_sign(request, evp, digest) > 0 else { throw Libcrypto.failure("X509_REQ_sign") }
        }
        return try Libcrypto.bytes("i2d_X509_REQ_bio") { i2d_X509_REQ_bio($0, request) }
    }

    /// Parses PEM or DER and verifies that the key that is to be certified signed it.
    ///
    /// Throws `badRequest`, or `unsupportedKey` for all but Ed25519 and P-256.
    package init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= TrustLimits.certificateBytes else {
            throw TrustError(.badRequest, "A request over \(TrustLimits.certificateBytes) bytes is refused.")
        }
        let request: OpaquePointer = try Libcrypto.reading(bytes) { bio in
            let parsed =
                Libcrypto.isPEM(bytes) ? PEM_read_bio_X509_REQ(bio, nil, nil, nil) : d2i_X509_REQ_bio(bio, nil)
            guard let parsed else { throw Libcrypto.failure(.badRequest, "Not a certificate signing request") }
            return parsed
        }
        defer { X509_REQ_free(request) }
        guard let key = X509_REQ_get0_pubkey(request) else {
            throw Libcrypto.failure(.badRequest, "The request's key cannot be read")
        }
        publicKey = try KeyPair.publicHalf(of: key).1
        guard X509_REQ_verify(request, key) == 1 else {
            throw Libcrypto.failure(.badRequest, "The request is not signed by its own key")
        }
        publicKeyDER = try Libcrypto.bytes("i2d_PUBKEY") { i2d_PUBKEY_bio($0, key) }
        commonName = try CertificateFacts.commonName(of: X509_REQ_get_subject_name(request))
    }
}
