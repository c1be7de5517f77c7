package import AgentStore
package import MartletTypes
package import RegistryClient
internal import TUF

/// The way to the registry: one client with the device's certificate, made anew when certificate or authorities change.
package actor RegistryLink {
    private let store: AgentStore
    private let bandwidth: ByteCount?
    private var client: HTTPClient?
    private var isClosed = false

    /// `bandwidth` is bytes per second that one transfer may take; nil is unlimited.
    package init(store: AgentStore, bandwidth: ByteCount? = nil) {
        self.store = store
        self.bandwidth = bandwidth
    }

    /// The client in use. Throws `notEnrolled` before there is an identity.
    package func http() throws -> HTTPClient {
        if let client { return client }
        guard !isClosed else { throw CancellationError() }
        guard let identity = try store.identity.load() else { throw AgentError.notEnrolled }
        let key = try store.identity.key(of: identity)
        let made = try HTTPClient(
            origin: Origin(identity.registry),
            configuration: HTTPClientConfiguration(
                authorityPEM: Array(identity.authorities.joined(separator: "\n").utf8),
                identity: try ClientIdentity(certificatePEM: Array(identity.certificate.utf8), keyPEM: key),
                maxReceiveSpeed: bandwidth?.bytes, userAgent: "martlet-agent/\(MartletVersion.text)"))
        client = made
        return made
    }

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

/// TUF metadata by whatever client the link has now.
struct LinkMetadataFetcher: MetadataFetcher {
    let link: RegistryLink

    func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        try await HTTPMetadataFetcher(http: link.http()).fetch(path, limit: limit)
    }
}
