internal import CLibcrypto

extension CertificateFacts {
    /// Whether the key of one of these authorities' certificates signed a certificate; all are PEM or DER.
    ///
    /// Says nothing about validity in time. Throws `badCertificate` where one cannot be read.
    package static func isIssued(_ certificate: [UInt8], byOneOf authorities: [[UInt8]]) throws -> Bool {
        let handle = try CertificateHandle(parsing: certificate)
        for authority in authorities {
            let issuer = try CertificateHandle(parsing: authority)
            guard let key = X509_get0_pubkey(issuer.pointer) else { continue }
            let isSigner = X509_verify(handle.pointer, key) == 1
            ERR_clear_error()
            if isSigner { return true }
        }
        return false
    }
}
