package import Logging
package import MartletTypes
package import SystemdNotify

/// A host and a port to listen on, e.g. `127.0.0.1:8080`; port 0 lets the system choose.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package let host: String
    /// 0 to 65535.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`, `[IPv6]:PORT`.
    package init(_ text: String) throws(InvalidValue) {
        let invalid = InvalidValue(kind: "address to listen on", value: text, rule: "HOST:PORT, e.g. 127.0.0.1:8080")
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw invalid
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { throw invalid }
        self.host = host
        self.port = Int(port)
    }

    package var description: String { Self.authority(host, port) }

    /// Whether only this machine reaches it.
    package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    static func authority(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

/// All that decides how a registry runs. Time and logging come in here, so that tests set them.
package struct RegistryConfiguration: Sendable {
    /// How operators' tokens are kept from whoever listens on the way.
    package enum OperatorSecurity: Sendable, Hashable {
        /// TLS with a certificate of the registry's own authority, by whose fingerprint `martlet login` knows it.
        case own
        /// TLS with a certificate chain (leaf first) and its key, as paths of PEM files.
        case files(certificate: String, key: String)
        /// Plain HTTP: on loopback, or where a proxy in front has the TLS.
        case plain
    }

    /// Where keys, database and blobs live.
    package var dataFolder: String
    /// Where operators connect.
    package var operatorAddress: ListenAddress
    /// Where devices connect.
    package var deviceAddress: ListenAddress
    /// The origin under which devices reach their listener; nil is the bound address.
    package var publicDeviceURL: String?
    /// Nil is plain HTTP on loopback and a certificate of the registry's own everywhere else.
    package var operatorSecurity: OperatorSecurity?
    /// The names by which operators reach their listener, in its own certificate.
    package var operatorHosts: [String]
    /// Whether devices wait for an operator's approval where their join token does not say.
    package var requiresApproval: Bool
    /// How long a device's certificate is good; it is renewed at two thirds of that.
    package var deviceCertificateLife: Duration
    /// How webhooks are delivered.
    package var webhooks: WebhookConfiguration
    /// Reads templates, styles and the OpenAPI document from here instead of the executable, while editing.
    package var assetsFolder: String?
    /// Where the first admin token is written; it is not announced then.
    package var adminTokenFile: String?
    /// Whether what is announced is kept where others read it, as the journal does: no secret goes there.
    package var isOutputKept: Bool
    /// The time; certificates are checked by TLS against the system's own all the same.
    package var clock: Clock
    /// Where the registry logs.
    package var logger: Logger
    /// The service manager that started the registry, where one did.
    package var notice: ServiceNotice
    /// Gets the lines meant for whoever started the registry: addresses and the first token.
    package var announce: @Sendable (String) -> Void

    package init(
        dataFolder: String, operatorAddress: ListenAddress = ListenAddress(host: "127.0.0.1", port: 8080),
        deviceAddress: ListenAddress = ListenAddress(host: "127.0.0.1", port: 8443), publicDeviceURL: String? = nil,
        operatorSecurity: OperatorSecurity? = nil, operatorHosts: [String] = [], requiresApproval: Bool = false,
        deviceCertificateLife: Duration = .seconds(90 * 86_400), webhooks: WebhookConfiguration = .init(),
        assetsFolder: String? = nil, adminTokenFile: String? = nil, isOutputKept: Bool = false,
        clock: @escaping Clock,
        logger: Logger = Logger(label: "martlet-registry") { _ in SwiftLogNoOpLogHandler() },
        notice: ServiceNotice = ServiceNotice(environment: [:]),
        announce: @escaping @Sendable (String) -> Void
    ) {
        self.dataFolder = dataFolder
        self.operatorAddress = operatorAddress
        self.deviceAddress = deviceAddress
        self.publicDeviceURL = publicDeviceURL
        self.operatorSecurity = operatorSecurity
        self.operatorHosts = operatorHosts
        self.requiresApproval = requiresApproval
        self.deviceCertificateLife = deviceCertificateLife
        self.webhooks = webhooks
        self.assetsFolder = assetsFolder
        self.adminTokenFile = adminTokenFile
        self.isOutputKept = isOutputKept
        self.clock = clock
        self.logger = logger
        self.notice = notice
        self.announce = announce
    }

    /// What operators' listener does: without an order plain HTTP never leaves this machine.
    var security: OperatorSecurity { operatorSecurity ?? (operatorAddress.isLoopback ? .plain : .own) }

    /// Refuses what cannot be served safely or at all; throws `badConfiguration`.
    func validate() throws {
        try webhooks.validate()
        guard ServerLimits.deviceCertificateLives.contains(deviceCertificateLife) else {
            let bounds = ServerLimits.deviceCertificateLives
            throw ServerError(
                500, "badConfiguration",
                "A device's certificate cannot be good for \(deviceCertificateLife.components.seconds) s.",
                remedy: "Choose from \(bounds.lowerBound.components.seconds) s to "
                    + "\(bounds.upperBound.components.seconds / 86_400) days.",
                field: "device-certificate-life")
        }
        if let url = publicDeviceURL {
            let authority = url.hasPrefix("https://") ? url.dropFirst("https://".count) : ""
            guard !authority.isEmpty, !authority.contains("/") else {
                throw ServerError(
                    500, "badConfiguration", "\"\(url)\" is not the origin of a device listener.",
                    remedy: "Give --public-device-url https://HOST:PORT without a path.", field: "public-device-url")
            }
        }
    }
}
