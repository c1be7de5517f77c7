package import Logging
package import MartletTypes

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
    /// Certificate chain and key of the operators' listener, as paths of PEM files.
    package struct OperatorTLS: Sendable, Hashable {
        /// The chain, leaf first.
        package var certificate: String
        /// The leaf's private key.
        package var key: String

        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// Where keys, database and blobs live.
    package var dataFolder: String
    /// Where operators connect.
    package var operatorAddress: ListenAddress
    /// Where devices connect.
    package var deviceAddress: ListenAddress
    /// The origin under which devices reach their listener; nil is the bound address.
    package var publicDeviceURL: String?
    /// Nil serves plain HTTP, which is refused outside loopback.
    package var operatorTLS: OperatorTLS?
    /// Reads templates, styles and the OpenAPI document from here instead of the executable, while editing.
    package var assetsFolder: String?
    /// Where the first admin token is written besides being printed.
    package var adminTokenFile: String?
    /// The time; certificates are checked by TLS against the system's own all the same.
    package var clock: Clock
    /// Where the registry logs.
    package var logger: Logger
    /// Gets the lines meant for whoever started the registry: addresses and the first token.
    package var announce: @Sendable (String) -> Void

    package init(
        dataFolder: String, operatorAddress: ListenAddress = ListenAddress(host: "127.0.0.1", port: 8080),
        deviceAddress: ListenAddress = ListenAddress(host: "127.0.0.1", port: 8443), publicDeviceURL: String? = nil,
        operatorTLS: OperatorTLS? = nil, assetsFolder: String? = nil, adminTokenFile: String? = nil,
        clock: @escaping Clock,
        logger: Logger = Logger(label: "martlet-registry") { _ in SwiftLogNoOpLogHandler() },
        announce: @escaping @Sendable (String) -> Void
    ) {
        self.dataFolder = dataFolder
        self.operatorAddress = operatorAddress
        self.deviceAddress = deviceAddress
        self.publicDeviceURL = publicDeviceURL
        self.operatorTLS = operatorTLS
        self.assetsFolder = assetsFolder
        self.adminTokenFile = adminTokenFile
        self.clock = clock
        self.logger = logger
        self.announce = announce
    }

    /// Refuses what cannot be served safely or at all; throws `badConfiguration`.
    func validate() throws {
        if operatorTLS == nil, !operatorAddress.isLoopback {
            throw ServerError(
                500, "badConfiguration", "Operators' tokens would travel in the clear to \(operatorAddress).",
                remedy: "Give --operator-tls-cert and --operator-tls-key, or listen on 127.0.0.1 behind a TLS proxy.",
                field: "operator-address")
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
