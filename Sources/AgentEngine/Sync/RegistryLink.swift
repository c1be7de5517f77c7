package import AgentStore
package import MartletTypes
internal import ModelRuntime
package import RegistryClient
internal import TUF

/// The way to the registry: one client with the device's certificate, made anew when certificate or authorities change.
package actor RegistryLink {
    private let store: AgentStore
    private let keys: DeviceKeys
    private let bandwidth: ByteCount?
    private let niceness: Int32
    private let clock: AgentClock?
    private var client: HTTPClient?
    private var isClosed = false

    /// `bandwidth` is bytes per second that all transfers may take together; nil is unlimited. Certificates are judged
    /// by `clock` where it is given: a box whose system clock cannot be right still reaches its registry, and says so.
    /// `niceness` is that of the thread that does all transfers: what it fetches it decrypts, hashes and writes.
    package init(
        store: AgentStore, keys: DeviceKeys? = nil, bandwidth: ByteCount? = nil, clock: AgentClock? = nil,
        niceness: Int32 = 0
    ) {
        self.niceness = niceness
        self.clock = clock
        self.store = store
        self.keys = keys ?? DeviceKeys(store: store.identity)
        self.bandwidth = bandwidth
    }

    /// The client in use. Throws `notEnrolled` before there is an identity.
    package func http() throws -> HTTPClient {
        if let client { return client }
        guard !isClosed else { throw CancellationError() }
        guard let identity = try store.identity.load() else { throw AgentError.notEnrolled }
        guard !identity.isAirGapped else {
            throw ClientError(.cannotConnect, "The registry", "this device was enrolled without one")
        }
        var configuration = HTTPClientConfiguration(
            authorityPEM: Array(identity.authorities.joined(separator: "\n").utf8),
            identity: ClientIdentity(
                certificatePEM: Array(identity.certificate.utf8), key: try keys.current(identity)),
            maxReceiveSpeed: bandwidth?.bytes, userAgent: "martlet-agent/\(MartletVersion.text)")
        let niceness = niceness
        configuration.threadStart = { BackgroundThread.giveWay(niceness: niceness, as: "transfers") }
        if let clock { configuration.judgedAt = { clock.now } }
        let made = try HTTPClient(origin: Origin(identity.registry), configuration: configuration)
        client = made
        return made
    }

    /// Who this device is; nil before it was enrolled.
    func identity() throws -> DeviceIdentity? { try store.identity.load() }

    /// Typed calls of the devices' API.
    package func device() throws -> DeviceClient { DeviceClient(http: try http()) }

    /// Reads of manifests and blobs.
    package func content() throws -> OCIClient { OCIClient(http: try http()) }

    /// Takes up a changed identity: what is under way ends and is tried again by those who asked.
    package func renew() async {
        let former = client
        client = nil
        await former?.close()
    }

    /// Ends all calls, for good.
    package func close() async {
        isClosed = true
        await renew()
    }
}

extension AgentError {
    static let notEnrolled = AgentError(
        .notEnrolled, "This device has no identity yet.",
        remedy: "Run `martlet-agent enrol --join TOKEN` with a token of `martlet token join`.")
}
