internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Trust

/// What the drivers of all devices share, on one event loop.
///
/// `@unchecked Sendable`: what changes is touched on the event loop only.
final class FleetContext: @unchecked Sendable {
    let loop: any EventLoop
    let plan: FleetPlan
    let trust: FleetTrust
    let clock: Clock
    /// The secret of the join token.
    let secret: String
    /// The address of the device listener, looked up once.
    let registry: SocketAddress
    /// The registry's host as requests and TLS name it; nil for TLS where it is an address.
    let host: String
    let serverName: String?
    let authorities: [NIOSSLCertificate]
    private let onEvent: @Sendable (FleetEvent) -> Void
    var figures = FleetFigures()
    var isStopped = false
    private var enrolling = 0
    private var toEnrol: [DeviceDriver] = []

    init(
        loop: any EventLoop, plan: FleetPlan, trust: FleetTrust, clock: @escaping Clock, secret: String,
        registry: SocketAddress, host: String, serverName: String?, onEvent: @escaping @Sendable (FleetEvent) -> Void
    ) throws {
        self.loop = loop
        self.plan = plan
        self.trust = trust
        self.clock = clock
        self.secret = secret
        self.registry = registry
        self.host = host
        self.serverName = serverName
        self.onEvent = onEvent
        authorities = try NIOSSLCertificate.fromPEMBytes(trust.authorityPEM)
    }

    /// Lets a device enrol now or when others are through: a registry that is asked by all at once answers nobody in
    /// time.
    func beginEnrolment(_ driver: DeviceDriver) {
        guard enrolling < SimulationLimits.enrolmentsAtOnce else {
            toEnrol.append(driver)
            return
        }
        enrolling += 1
        driver.enrol()
    }

    func endEnrolment() {
        enrolling -= 1
        guard !isStopped, !toEnrol.isEmpty else { return }
        let next = toEnrol.removeFirst()
        enrolling += 1
        next.enrol()
    }

    func tell(_ event: FleetEvent) { onEvent(event) }

    /// TLS as a device speaks it: the registry proves itself by the owner's authorities, the device by its certificate.
    func tls(_ identity: DeviceIdentity?) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.trustRoots = .certificates(authorities)
        configuration.certificateVerification = .fullVerification
        // BoringSSL leaves Ed25519 out by default, and registries' keys are of that kind.
        configuration.verifySignatureAlgorithms = [
            .ed25519, .ecdsaSecp256R1Sha256, .ecdsaSecp384R1Sha384, .rsaPssRsaeSha256, .rsaPssRsaeSha384,
            .rsaPssRsaeSha512, .rsaPkcs1Sha256,
        ]
        configuration.shutdownTimeout = .milliseconds(200)
        if let identity {
            configuration.certificateChain = identity.chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(identity.key)
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// Connects from an address of its own where the registry is on this machine: a registry limits enrolments by
    /// address, and one address has 64 Ki ports.
    func connect(
        _ number: Int, _ identity: DeviceIdentity?, _ connection: DeviceConnection
    ) -> EventLoopFuture<Void> {
        do {
            let tls = try self.tls(identity)
            var bootstrap = ClientBootstrap(group: loop)
                .connectTimeout(.seconds(SimulationLimits.connectSeconds))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { [serverName] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: serverName))
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(connection)
                    }
                }
            if let own = try LoopbackAddress.of(number, registry: registry) { bootstrap = bootstrap.bind(to: own) }
            return bootstrap.connect(to: registry).map { _ in }
        } catch {
            return loop.makeFailedFuture(error)
        }
    }
}

/// What a device proves itself with.
struct DeviceIdentity {
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
}

/// Addresses of this machine (127.0.0.0/8 is all of it), a few devices behind each as behind a router.
package enum LoopbackAddress {
    /// The text of the address for a device's number.
    package static func text(of number: Int) -> String {
        let block = number / SimulationLimits.devicesPerAddress
        return "127.\(1 + block / 62_500).\(block / 250 % 250).\(2 + block % 250)"
    }

    /// Nil where the registry is on another machine.
    static func of(_ number: Int, registry: SocketAddress) throws -> SocketAddress? {
        guard registry.ipAddress?.hasPrefix("127.") == true else { return nil }
        return try SocketAddress(ipAddress: text(of: number), port: 0)
    }
}
