import MartletTypes
import NIOCore
import NIOSSL

extension RegistryConfiguration.OperatorTLS {
    /// The TLS of the operators' listener; throws `badConfiguration` naming the file.
    func configuration() throws -> TLSConfiguration {
        do {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.shutdownTimeout = .milliseconds(200)
            _ = try NIOSSLContext(configuration: configuration)
            return configuration
        } catch {
            throw ServerError(
                500, "badConfiguration",
                "The operators' certificate \(certificate) and key \(key) cannot be used: \(error).",
                remedy: "Give a PEM chain and its PEM key.", field: "operator-tls-cert", fault: .caller)
        }
    }
}
