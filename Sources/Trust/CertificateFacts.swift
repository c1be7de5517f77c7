internal import CLibcrypto
package import MartletTypes

/// What a certificate says. Reading it verifies nothing.
package struct CertificateFacts: Sendable, Hashable {
    /// The subject's common name; empty where there is none.
    package let commonName: String
    /// The serial number in lower-case hexadecimal.
    package let serialHex: String
    /// SHA-256 of the DER, in lower-case hexadecimal.
    package let sha256Fingerprint: String
    /// Not valid before this.
    package let notBefore: Timestamp
    /// Not valid after this.
    package let notAfter: Timestamp
    /// The public key as SubjectPublicKeyInfo in DER.
    package let publicKeyDER: [UInt8]
    /// Whether it may sign other certificates.
    package let isAuthority: Bool

    /// Reads PEM or DER; throws `badCertificate`.
    package init(_ bytes: [UInt8]) throws {
        try self.init(CertificateHandle(parsing: bytes))
    }

    init(_ handle: CertificateHandle) throws {
        let certificate = handle.pointer
        commonName = try Self.commonName(of: X509_get_subject_name(certificate))
        sha256Fingerprint = Digest.of(try handle.der()).hex
        guard let serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else {
            throw Libcrypto.failure(.badCertificate, "The certificate has no serial number")
        }
        defer { BN_free(serial) }
        var digits = [UInt8](repeating: 0, count: Int(BN_num_bits(serial) + 7) / 8)
        BN_bn2bin(serial, &digits)
        serialHex = Hex.encode(digits)
        notBefore = try Self.time(X509_get0_notBefore(certificate))
        notAfter = try Self.time(X509_get0_notAfter(certificate))
        guard let key = X509_get0_pubkey(certificate) else {
            throw Libcrypto.failure(.badCertificate, "The certificate's key cannot be read")
        }
        publicKeyDER = try Libcrypto.bytes("i2d_PUBKEY") { i2d_PUBKEY_bio($0, key) }
        isAuthority = X509_check_ca(certificate) == 1
    }

    /// The one common name of a subject; a second one or a zero byte in it is refused, since readers would disagree.
    static func commonName(of subject: OpaquePointer?) throws -> String {
        let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        guard index >= 0 else { return "" }
        guard X509_NAME_get_index_by_NID(subject, NID_commonName, index) < 0 else {
            throw TrustError(.badCertificate, "The subject has more than one common name.")
        }
        let data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index))
        var text: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&text, data)
        guard count >= 0, let text else { throw Libcrypto.failure(.badCertificate, "The common name cannot be read") }
        defer { CRYPTO_free(text, "", 0) }
        let bytes = Array(UnsafeBufferPointer(start: text, count: Int(count)))
        guard !bytes.contains(0) else { throw TrustError(.badCertificate, "The common name has a zero byte in it.") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func time(_ time: UnsafePointer<ASN1_TIME>?) throws -> Timestamp {
        let epoch = try Libcrypto.check(ASN1_TIME_set(nil, 0), "ASN1_TIME_set")
        defer { ASN1_TIME_free(epoch) }
        var days: Int32 = 0
        var seconds: Int32 = 0
        guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else {
            throw Libcrypto.failure(.badCertificate, "The certificate's validity cannot be read")
        }
        return Timestamp(seconds: Int64(days) * 86_400 + Int64(seconds))
    }
}
