internal import CLibcrypto
internal import MartletTypes

/// What a certificate shall say; made by the authority alone, never copied from a request.
struct CertificateBuilder {
    /// What the certificate is for.
    enum Purpose {
        case authority
        case client
        /// The texts are checked host names and addresses in the syntax of x509v3_config(5).
        case server(alternativeNames: [String])
    }

    let commonName: String
    let purpose: Purpose
    let serial: [UInt8]
    let notBefore: Timestamp
    let notAfter: Timestamp
    /// SubjectPublicKeyInfo in DER.
    let publicKeyDER: [UInt8]

    /// Builds and signs; `issuer` is nil for a certificate that signs itself.
    func signed(by key: KeyPair, issuer: CertificateHandle?) throws -> CertificateHandle {
        let certificate = CertificateHandle(owning: try Libcrypto.check(X509_new(), "X509_new"))
        let x509 = certificate.pointer
        try Libcrypto.check(X509_set_version(x509, 2), "X509_set_version")
        try setSerial(x509)
        try Self.addCommonName(commonName, to: X509_get_subject_name(x509))
        let issuerName = X509_get_subject_name(issuer?.pointer ?? x509)
        try Libcrypto.check(X509_set_issuer_name(x509, issuerName), "X509_set_issuer_name")
        for (field, time) in [(X509_getm_notBefore(x509), notBefore), (X509_getm_notAfter(x509), notAfter)] {
            _ = try Libcrypto.check(ASN1_TIME_set(field, Int(time.seconds)), "ASN1_TIME_set")
        }
        try Libcrypto.reading(publicKeyDER) { bio in
            guard let subjectKey = d2i_PUBKEY_bio(bio, nil) else {
                throw Libcrypto.failure(.unsupportedKey, "Not a public key in DER")
            }
            defer { EVP_PKEY_free(subjectKey) }
            try Libcrypto.check(X509_set_pubkey(x509, subjectKey), "X509_set_pubkey")
        }
        for (identifier, value) in extensions {
            try add(identifier, value, to: x509, issuer: issuer?.pointer ?? x509)
        }
        try key.withEVP { evp in
            guard X509_sign(x509, evp, key.kind == .ed25519 ? nil : EVP_sha256()) > 0 else {
                throw Libcrypto.failure("X509_sign")
            }
        }
        return certificate
    }

    /// By NID, in the syntax of x509v3_config(5). The subject's key identifier comes before the authority's, because a
    /// certificate that signs itself takes the latter from the former.
    private var extensions: [(Int32, String)] {
        let identifiers = [(NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid:always")]
        switch purpose {
        case .authority:
            return identifiers + [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
            ]
        case .client:
            return identifiers + [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "clientAuth"),
            ]
        case .server(let names):
            return identifiers + [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "serverAuth"), (NID_subject_alt_name, names.joined(separator: ",")),
            ]
        }
    }

    private func add(_ identifier: Int32, _ value: String, to x509: OpaquePointer, issuer: OpaquePointer) throws {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, x509, nil, nil, 0)
        let made = try Libcrypto.check(X509V3_EXT_nconf_nid(nil, &context, identifier, value), "extension \(value)")
        defer { X509_EXTENSION_free(made) }
        try Libcrypto.check(X509_add_ext(x509, made, -1), "X509_add_ext")
    }

    /// RFC 5280 section 4.1.2.2: positive, at most 20 bytes.
    private func setSerial(_ x509: OpaquePointer) throws {
        guard (8...20).contains(serial.count) else {
            throw TrustError(.badCertificate, "A serial number has 8 to 20 bytes.")
        }
        var bytes = serial
        bytes[0] = bytes[0] & 0x7f | 0x40
        let number = try Libcrypto.check(BN_bin2bn(bytes, Int32(bytes.count), nil), "BN_bin2bn")
        defer { BN_free(number) }
        _ = try Libcrypto.check(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)), "BN_to_ASN1_INTEGER")
    }

    static func addCommonName(_ name: String, to subject: OpaquePointer?) throws {
        let bytes = Array(name.utf8)
        guard (1...TrustLimits.commonNameBytes).contains(bytes.count), bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
        else {
            throw TrustError(.badCertificate, "A common name has 1 to \(TrustLimits.commonNameBytes) printable bytes.")
        }
        try Libcrypto.check(
            X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0),
            "X509_NAME_add_entry_by_NID")
    }
}
