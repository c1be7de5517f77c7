internal import CLibcrypto
package import MartletTypes

/// Signs the certificates of the registry and of its devices. It alone decides what they say.
package struct CertificateAuthority: Sendable {
    /// Certificates begin this long before they are issued, for clocks that lag behind.
    package static let backdating = Duration.seconds(3600)

    /// Its own certificate.
    package let certificatePEM: [UInt8]
    /// What its own certificate says.
    package let facts: CertificateFacts
    private let certificate: CertificateHandle
    private let key: KeyPair

    /// Throws `badCertificate` where it may not sign others, `keyMismatch` where the key is not the certificate's.
    package init(certificatePEM: [UInt8], key: KeyPair) throws {
        certificate = try CertificateHandle(parsing: certificatePEM)
        facts = try CertificateFacts(certificate)
        guard facts.isAuthority else {
            throw TrustError(.badCertificate, "The certificate of \(facts.commonName) may not sign others.")
        }
        guard facts.publicKeyDER == key.publicKeyDER else {
            throw TrustError(.keyMismatch, "The authority's key is not that of its certificate.")
        }
        self.certificatePEM = certificatePEM
        self.key = key
    }

    /// A new authority that signs itself.
    package static func make(
        name: String, key: KeyPair, now: Timestamp, valid: Duration
    ) throws -> CertificateAuthority {
        let builder = CertificateBuilder(
            commonName: name, purpose: .authority, serial: try RandomBytes.make(16), notBefore: now - backdating,
            notAfter: now + valid, publicKeyDER: key.publicKeyDER)
        return try CertificateAuthority(certificatePEM: builder.signed(by: key, issuer: nil).pem(), key: key)
    }

    /// A device's client certificate in PEM. `csr` is DER or PEM; of it only the key is used. `serial` is 8 to 20
    /// random bytes.
    ///
    /// Throws `badRequest` where the request is not signed by its own key. Ends no later than the authority does.
    package func issueDevice(
        csr: [UInt8], device: DeviceID, now: Timestamp, valid: Duration, serial: [UInt8]
    ) throws -> [UInt8] {
        let request = try CertificateRequest(parsing: csr)
        return try issue(
            to: device.text, .client, publicKeyDER: request.publicKeyDER, now: now, valid: valid, serial: serial)
    }

    /// A server certificate in PEM for DNS names and IP addresses; throws `badHost`.
    package func issueServer(
        key: KeyPair, hosts: [String], now: Timestamp, valid: Duration
    ) throws -> [UInt8] {
        guard (1...TrustLimits.hostsPerCertificate).contains(hosts.count) else {
            throw TrustError(.badHost, "A server certificate has 1 to \(TrustLimits.hostsPerCertificate) hosts.")
        }
        let names = try hosts.map(HostName.alternativeName)
        return try issue(
            to: "martlet-registry", .server(alternativeNames: names), publicKeyDER: key.publicKeyDER, now: now,
            valid: valid, serial: try RandomBytes.make(16))
    }

    /// Whether this authority's key signed a certificate (PEM or DER). Says nothing about its validity in time.
    package func didIssue(_ certificate: [UInt8]) throws -> Bool {
        let handle = try CertificateHandle(parsing: certificate)
        let status = key.withEVP { X509_verify(handle.pointer, $0) }
        ERR_clear_error()
        return status == 1
    }

    private func issue(
        to name: String, _ purpose: CertificateBuilder.Purpose, publicKeyDER: [UInt8], now: Timestamp,
        valid: Duration, serial: [UInt8]
    ) throws -> [UInt8] {
        // Of a short life only a little: two thirds of it must lie ahead.
        let builder = CertificateBuilder(
            commonName: name, purpose: purpose, serial: serial,
            notBefore: max(now - min(Self.backdating, valid / 10), facts.notBefore),
            notAfter: min(now + valid, facts.notAfter),
            publicKeyDER: publicKeyDER)
        guard builder.notAfter > now else {
            throw TrustError(.badCertificate, "The authority's own certificate ended at \(facts.notAfter).")
        }
        return try builder.signed(by: key, issuer: certificate).pem()
    }
}
