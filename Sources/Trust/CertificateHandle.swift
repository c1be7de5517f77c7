internal import CLibcrypto

/// Owns one reference to an `X509`.
///
/// `@unchecked Sendable`: the certificate is not changed once it was parsed or signed, and libcrypto locks the caches
/// it
/// fills while reading.
final class CertificateHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over the reference.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    /// Parses PEM or DER; throws `badCertificate`.
    convenience init(parsing bytes: [UInt8]) throws {
        guard bytes.count <= TrustLimits.certificateBytes else {
            throw TrustError(.badCertificate, "A certificate over \(TrustLimits.certificateBytes) bytes is refused.")
        }
        let pointer: OpaquePointer = try Libcrypto.reading(bytes) { bio in
            let parsed = Libcrypto.isPEM(bytes) ? PEM_read_bio_X509(bio, nil, nil, nil) : d2i_X509_bio(bio, nil)
            guard let parsed else { throw Libcrypto.failure(.badCertificate, "Not a certificate") }
            return parsed
        }
        self.init(owning: pointer)
    }

    deinit { X509_free(pointer) }

    func pem() throws(TrustError) -> [UInt8] {
        try Libcrypto.bytes("PEM_write_bio_X509") { PEM_write_bio_X509($0, pointer) }
    }

    func der() throws(TrustError) -> [UInt8] {
        try Libcrypto.bytes("i2d_X509_bio") { i2d_X509_bio($0, pointer) }
    }
}
