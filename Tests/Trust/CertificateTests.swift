import Foundation
import MartletTypes
import TestSupport
import Testing
import Trust

@Suite("Certificates")
struct CertificateTests {
    static let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
    static let year = Duration.seconds(365 * 86_400)

    static func authority(_ kind: KeyPair.Kind = .ed25519) throws -> CertificateAuthority {
        try CertificateAuthority.make(name: "Martlet test CA", key: KeyPair.generate(kind), now: now, valid: year)
    }

    @Test(
        "openssl verifies what the authority issues, for every pair of kinds", arguments: KeyPair.Kind.allCases,
        KeyPair.Kind.allCases)
    func openSSLVerifies(authorityKind: KeyPair.Kind, kind: KeyPair.Kind) async throws {
        let folder = try TemporaryFolder("ca")
        let authority = try Self.authority(authorityKind)
        let key = try KeyPair.generate(kind)
        let request = try CertificateRequest.make(key: key, commonName: "whatever")
        let device = try authority.issueDevice(
            csr: request, device: DeviceID("ward-7"), now: Self.now, valid: .seconds(90 * 86_400),
            serial: RandomBytes.make(16))
        let server = try authority.issueServer(
            key: key, hosts: ["Registry.example", "127.0.0.1", "::1", "localhost"], now: Self.now, valid: Self.year)
        let (ca, one, two) = (folder.file("ca.pem"), folder.file("device.pem"), folder.file("server.pem"))
        try write(authority.certificatePEM, to: ca)
        try write(device, to: one)
        try write(server, to: two)
        for arguments in [
            ["-purpose", "sslclient", one], ["-purpose", "sslserver", "-verify_hostname", "registry.example", two],
            ["-purpose", "sslserver", "-verify_ip", "::1", two],
            ["-purpose", "sslserver", "-verify_ip", "127.0.0.1", two],
        ] {
            let verified = try await openssl(["verify", "-x509_strict", "-CAfile", ca] + arguments)
            #expect(verified.status == 0, "\(arguments): \(verified.errors)")
        }
        for arguments in [
            ["-purpose", "sslserver", one], ["-purpose", "sslclient", two],
            ["-purpose", "sslserver", "-verify_hostname", "evil.example", two],
        ] {
            let verified = try await openssl(["verify", "-x509_strict", "-CAfile", ca] + arguments)
            #expect(verified.status != 0, "\(arguments)")
        }
        let facts = try CertificateFacts(device)
        #expect(facts.commonName == "ward-7", "the authority decides the name, not the request")
        #expect(facts.publicKeyDER == key.publicKeyDER)
        #expect(!facts.isAuthority)
        #expect(try authority.didIssue(device))
        #expect(try !Self.authority().didIssue(device))
    }

    @Test("facts are those that openssl prints")
    func facts() async throws {
        let folder = try TemporaryFolder("ca")
        let authority = try Self.authority()
        let path = folder.file("ca.pem")
        try write(authority.certificatePEM, to: path)
        let printed = try await openssl([
            "x509", "-in", path, "-noout", "-serial", "-fingerprint", "-sha256", "-dateopt", "iso_8601", "-dates",
        ])
        let facts = authority.facts
        #expect(facts.isAuthority)
        #expect(facts.commonName == "Martlet test CA")
        let text = printed.output.lowercased()
        #expect(text.contains("serial=" + facts.serialHex))
        #expect(text.replacing(":", with: "").contains("fingerprint=" + facts.sha256Fingerprint))
        #expect(facts.notBefore == Self.now - CertificateAuthority.backdating)
        #expect(facts.notAfter == Self.now + Self.year)
        let instant = facts.notAfter.description.replacing("T", with: " ").lowercased()
        #expect(text.contains("notafter=" + instant), "\(text)")
        #expect(try CertificateFacts(der(of: authority.certificatePEM)) == facts, "DER and PEM say the same")
    }

    @Test("a certificate ends no later than its authority, and none is issued after that")
    func lifetime() throws {
        let authority = try Self.authority()
        let csr = try CertificateRequest.make(key: KeyPair.generate(.ed25519), commonName: "d")
        let late = Self.now + Self.year - .seconds(60)
        let issued = try authority.issueDevice(
            csr: csr, device: DeviceID("d"), now: late, valid: Self.year, serial: RandomBytes.make(8))
        #expect(try CertificateFacts(issued).notAfter == authority.facts.notAfter)
        #expect(throws: TrustError(.badCertificate, "")) {
            try authority.issueDevice(
                csr: csr, device: DeviceID("d"), now: late + .seconds(60), valid: Self.year, serial: RandomBytes.make(8)
            )
        }
    }

    @Test("serial numbers are positive and as long as the bytes given", arguments: [0x00, 0x7f, 0x80, 0xff] as [UInt8])
    func serials(first: UInt8) throws {
        let authority = try Self.authority()
        let csr = try CertificateRequest.make(key: KeyPair.generate(.ecdsaP256), commonName: "d")
        let issued = try authority.issueDevice(
            csr: csr, device: DeviceID("d"), now: Self.now, valid: Self.year,
            serial: [first] + [UInt8](repeating: 1, count: 15))
        let serial = try CertificateFacts(issued).serialHex
        #expect(serial.count == 32)
        #expect(try #require(serial.first?.hexDigitValue) < 8)
        for count in [0, 7, 21] {
            #expect(throws: TrustError(.badCertificate, "")) {
                try authority.issueDevice(
                    csr: csr, device: DeviceID("d"), now: Self.now, valid: Self.year,
                    serial: [UInt8](repeating: 1, count: count))
            }
        }
    }

    @Test("openssl verifies our requests, and we accept its own in PEM and DER", arguments: KeyPair.Kind.allCases)
    func requests(kind: KeyPair.Kind) async throws {
        let folder = try TemporaryFolder("csr")
        let key = try KeyPair.generate(kind)
        let der = try CertificateRequest.make(key: key, commonName: "ward-7")
        try write(der, to: folder.file("ours.der"))
        let verified = try await openssl(["req", "-verify", "-inform", "DER", "-in", folder.file("ours.der"), "-noout"])
        #expect(verified.status == 0, "\(verified.errors)")
        let parsed = try CertificateRequest(parsing: der)
        #expect(parsed.commonName == "ward-7")
        #expect(parsed.publicKey == key.publicKey)

        try write(key.pem(), to: folder.file("key"))
        for form in ["PEM", "DER"] {
            let path = folder.file("theirs." + form)
            let made = try await openssl([
                "req", "-new", "-key", folder.file("key"), "-subj", "/O=x/CN=theirs", "-outform", form, "-out", path,
            ])
            #expect(made.status == 0, "\(made.errors)")
            #expect(try CertificateRequest(parsing: read(path)).publicKeyDER == key.publicKeyDER)
        }
    }

    @Test("a request that is broken, changed, or of a key that is not accepted is refused")
    func badRequests() async throws {
        let der = try CertificateRequest.make(key: KeyPair.generate(.ed25519), commonName: "d")
        var changed = der
        changed[changed.count - 1] ^= 1
        for bytes in [
            [], [0x30], Array("junk".utf8), changed, Array(der.dropLast(4)),
            [UInt8](repeating: 0x30, count: TrustLimits.certificateBytes + 1),
        ] {
            #expect(throws: TrustError(.badRequest, "")) { try CertificateRequest(parsing: bytes) }
        }
        let folder = try TemporaryFolder("csr")
        _ = try await openssl([
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", folder.file("k"), "-subj", "/CN=x", "-out",
            folder.file("rsa.pem"),
        ])
        #expect(throws: TrustError(.unsupportedKey, "")) {
            try CertificateRequest(parsing: read(folder.file("rsa.pem")))
        }
        #expect(throws: TrustError(.badCertificate, "")) {
            try CertificateRequest.make(key: KeyPair.generate(.ed25519), commonName: String(repeating: "x", count: 65))
        }
    }

    @Test("every byte flipped in a request is refused or leaves key and name as they were")
    func flippedBytes() throws {
        let key = try KeyPair.generate(.ed25519)
        let der = try CertificateRequest.make(key: key, commonName: "ward-7")
        for index in der.indices {
            var bytes = der
            bytes[index] ^= 0x01
            guard let parsed = try? CertificateRequest(parsing: bytes) else { continue }
            #expect(parsed.publicKeyDER == key.publicKeyDER && parsed.commonName == "ward-7", "byte \(index)")
        }
    }

    @Test(
        "hosts that a certificate cannot hold are refused",
        arguments: [
            "", "a b", "a,DNS:evil", "http://x", "x:443", "-a", "a-", "a..b", "*.example", "a\nb", "é.example",
            String(repeating: "a", count: 64), "[::1]", "1.2.3.4/8",
        ])
    func badHosts(host: String) throws {
        #expect(throws: TrustError(.badHost, "")) {
            try Self.authority().issueServer(
                key: KeyPair.generate(.ed25519), hosts: [host], now: Self.now, valid: Self.year)
        }
    }

    @Test("an authority needs its own key and a certificate that may sign")
    func badAuthorities() throws {
        let authority = try Self.authority()
        let key = try KeyPair.generate(.ed25519)
        #expect(throws: TrustError(.keyMismatch, "")) {
            try CertificateAuthority(certificatePEM: authority.certificatePEM, key: key)
        }
        let server = try authority.issueServer(key: key, hosts: ["localhost"], now: Self.now, valid: Self.year)
        #expect(throws: TrustError(.badCertificate, "")) {
            try CertificateAuthority(certificatePEM: server, key: key)
        }
        for bytes in [[], Array("x".utf8), [0x30, 0x03, 0x01]] as [[UInt8]] {
            #expect(throws: TrustError(.badCertificate, "")) { try CertificateFacts(bytes) }
        }
    }

    private func der(of pem: [UInt8]) throws -> [UInt8] {
        let lines = String(decoding: pem, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("-----") }
        return Array(try #require(Data(base64Encoded: lines.joined())))
    }
}
