import MartletTypes
import NIOCore
import NIOSSL
import Trust

/// The TLS of the operators' listener: of given files, or with a certificate of the registry's own authority.
struct OperatorListenerTLS: Sendable {
    let security: RegistryConfiguration.OperatorSecurity
    /// The certificate where no files are given.
    let certificate: ListenerCertificate

    /// Throws `badConfiguration` naming the file that cannot be used. Nil where the listener has no TLS.
    func configuration() throws -> TLSConfiguration? {
        switch security {
        case .plain: return nil
        case .own:
            let (chain, key) = try certificate.current()
            // With the authority, so that a caller who knows its fingerprint finds it in the handshake.
            let authority = certificate.keyring.authority.certificatePEM
            return Self.configuration(
                try NIOSSLCertificate.fromPEMBytes(chain) + NIOSSLCertificate.fromPEMBytes(authority),
                try NIOSSLPrivateKey(bytes: key, format: .pem))
        case .files(let chain, let key):
            do {
                let configuration = Self.configuration(
                    try NIOSSLCertificate.fromPEMFile(chain), try NIOSSLPrivateKey(file: key, format: .pem))
                _ = try NIOSSLContext(configuration: configuration)
                return configuration
            } catch {
                throw ServerError(
                    500, "badConfiguration",
                    "The operators' certificate \(chain) and key \(key) cannot be used: \(error).",
                    remedy: "Give a PEM chain and its PEM key.", field: "operator-tls-cert", fault: .caller)
            }
        }
    }

    private static func configuration(_ chain: [NIOSSLCertificate], _ key: NIOSSLPrivateKey) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .milliseconds(200)
        return configuration
    }
}
