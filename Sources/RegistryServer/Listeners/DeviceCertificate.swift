import Logging
import MartletTypes
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization
import Trust

/// The TLS of the device listener.
struct DeviceListenerCertificate: Sendable {
    let certificate: ListenerCertificate

    /// What the device listener's TLS demands: our certificate, and of devices one of our authority or none, since
    /// those that enrol have none yet. Each route asks for it by itself.
    func configuration() throws -> TLSConfiguration {
        let (certificate, key) = try self.certificate.current()
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        // At shutdown idle connections must not hold the process for a farewell that nobody reads.
        configuration.shutdownTimeout = .milliseconds(200)
        configuration.certificateVerification = .optionalVerification
        // Of former authorities too: which certificates are good the database says, at each request.
        configuration.trustRoots = .certificates(
            try self.certificate.keyring.deviceAuthorities.flatMap { try NIOSSLCertificate.fromPEMBytes($0) })
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

/// Renews a listener's certificate while the registry runs: in time, and when owners named another authority.
struct CertificateRenewal: Service {
    /// Which listener, for the log.
    let name: String
    /// Makes the TLS anew.
    let configuration: @Sendable () throws -> TLSConfiguration
    let contexts: TLSContextBox
    let keyring: OnlineKeyring
    let logger: Logger

    func run() async throws {
        let renewed = Mutex((authority: keyring.authority.facts, at: ContinuousClock.now))
        try await Heartbeat.each(.seconds(1)) {
            let authority = keyring.authority.facts
            let isDue = renewed.withLock { last in
                last.authority != authority || ContinuousClock.now - last.at > .seconds(3600)
            }
            guard isDue else { return }
            do {
                try contexts.replace(with: try configuration())
                renewed.withLock { $0 = (authority, ContinuousClock.now) }
            } catch {
                logger.error("cannot renew the \(name) listener's certificate", metadata: ["error": "\(error)"])
            }
        }
    }
}
