import NIOSSL
import ServiceLifecycle

/// The TLS of both listeners, and what renews it.
struct ListenerTLS {
    /// Nil where operators' listener is plain.
    let operators: TLSContextBox?
    let devices: TLSContextBox
    /// One service for each certificate that the registry makes itself.
    let renewals: [any Service]

    init(_ configuration: RegistryConfiguration, _ folder: DataFolder, _ core: RegistryCore) throws {
        func certificate(_ name: String, _ hosts: [String]) -> ListenerCertificate {
            ListenerCertificate(name: name, folder: folder, keyring: core.keyring, hosts: hosts, clock: core.clock)
        }
        var renewals: [any Service] = []
        func renewal(
            _ name: String, _ contexts: TLSContextBox, _ make: @escaping @Sendable () throws -> TLSConfiguration
        ) {
            renewals.append(
                CertificateRenewal(
                    name: name, configuration: make, contexts: contexts, keyring: core.keyring, logger: core.logger))
        }
        let forDevices = DeviceListenerCertificate(
            certificate: certificate("device-listener", try configuration.deviceHosts()))
        devices = try TLSContextBox(try forDevices.configuration())
        renewal("device", devices) { try forDevices.configuration() }

        let forOperators = OperatorListenerTLS(
            security: configuration.security,
            certificate: certificate("operator-listener", configuration.operatorHostsOfCertificate()))
        if let first = try forOperators.configuration() {
            let contexts = try TLSContextBox(first)
            operators = contexts
            // Files are read again too: whoever renews them need not restart the registry.
            renewal("operator", contexts) { try forOperators.configuration() ?? first }
        } else {
            operators = nil
        }
        self.renewals = renewals
    }
}
