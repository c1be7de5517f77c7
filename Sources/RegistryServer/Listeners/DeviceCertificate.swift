import Logging
import MartletTypes
import NIOCore
import NIOSSL
import ServiceLifecycle
import Trust

/// The device listener's own certificate: made by the registry's authority, kept in the data folder, renewed by itself.
struct DeviceListenerCertificate: Sendable {
    let folder: DataFolder
    let keyring: OnlineKeyring
    /// Names and addresses that devices may use.
    let hosts: [String]
    let clock: Clock

    private var certificateFile: String { folder.keys + "/device-listener.crt" }
    private var keyFile: String { folder.keys + "/device-listener.pem" }
    private var hostsFile: String { folder.keys + "/device-listener.hosts" }

    /// The certificate and key in PEM; makes new ones where there are none, two thirds of their life are over, or the
    /// hosts have changed.
    func current() throws -> (certificate: [UInt8], key: [UInt8]) {
        if let certificate = try folder.read(certificateFile), let key = try folder.read(keyFile),
            try folder.read(hostsFile) == hostsText, try isFresh(certificate)
        {
            return (certificate, key)
        }
        let key = try KeyPair.generate(.ecdsaP256)
        let certificate = try keyring.authority.issueServer(
            key: key, hosts: hosts, now: clock(), valid: ServerLimits.serverCertificateLife)
        // The hosts come last: a crash in between only makes another certificate at the next start.
        folder.remove(hostsFile)
        try folder.write(try key.pem(), to: keyFile, mode: 0o600)
        try folder.write(certificate, to: certificateFile, mode: 0o644)
        try folder.write(hostsText, to: hostsFile, mode: 0o644)
        return (certificate, try key.pem())
    }

    private var hostsText: [UInt8] { Array(hosts.joined(separator: "\n").utf8) }

    private func isFresh(_ certificate: [UInt8]) throws -> Bool {
        guard try keyring.authority.didIssue(certificate) else { return false }
        let facts = try CertificateFacts(certificate)
        return clock() < facts.notAfter - ServerLimits.serverCertificateLife / 3
    }

    /// What the device listener's TLS demands: our certificate, and of devices one of our authority or none, since
    /// those that enrol have none yet. Each route asks for it by itself.
    func configuration() throws -> TLSConfiguration {
        let (certificate, key) = try current()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        // At shutdown idle connections must not hold the process for a farewell that nobody reads.
        configuration.shutdownTimeout = .milliseconds(200)
        configuration.certificateVerification = .optionalVerification
        configuration.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMBytes(keyring.authority.certificatePEM))
        // BoringSSL leaves Ed25519 out by default, and devices' keys are of that kind.
        let algorithms: [SignatureAlgorithm] = [
            .ed25519, .ecdsaSecp256R1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha256, .rsaPssRsaeSha384,
            .rsaPssRsaeSha512, .rsaPkcs1Sha256,
        ]
        configuration.verifySignatureAlgorithms = algorithms
        configuration.signingSignatureAlgorithms = algorithms
        return configuration
    }
}

/// Renews the device listener's certificate while the registry runs.
struct CertificateRenewal: Service {
    let certificate: DeviceListenerCertificate
    let contexts: TLSContextBox
    let logger: Logger

    func run() async throws {
        try await Heartbeat.each(.seconds(3600)) {
            do {
                try contexts.replace(with: try certificate.configuration())
            } catch {
                logger.error("cannot renew the device listener's certificate", metadata: ["error": "\(error)"])
            }
        }
    }
}
