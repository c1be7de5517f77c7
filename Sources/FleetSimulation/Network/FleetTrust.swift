internal import MartletTypes
internal import RegistryClient
internal import Synchronization
internal import TUF
internal import Trust

/// Whom the fleet believes: the owner's metadata, followed once for all devices, and by it the director.
///
/// A real agent follows TUF by itself; here thousands would fetch the same bytes. The check of each assignment is each
/// device's own.
actor FleetTrust {
    /// What devices check assignments against.
    struct Director: Sendable {
        let keys: [String: PublicKey]
        let threshold: Int
        let snapshot: Int64
        let timestamp: Int64
    }

    /// The certificates (PEM) of the owner's authorities.
    nonisolated let authorityPEM: [UInt8]
    private let shared: Mutex<Director>
    private let http: HTTPClient
    private let tuf: TUFClient
    private let clock: Clock
    private var refreshed: Timestamp

    /// Follows the join token to the owner's metadata.
    static func bootstrap(_ token: JoinToken, clock: @escaping Clock) async throws -> FleetTrust {
        let store = InMemoryMetadataStore()
        let trusted = try await TrustBootstrap.run(token: token, store: store, now: clock())
        let http = try HTTPClient(
            origin: try Origin(token.registry), configuration: .init(authorityPEM: trusted.authorityPEM))
        let fetcher = HTTPMetadataFetcher(http: http)
        let tuf = try TUFClient(trustedRoot: trusted.root, fetcher: fetcher, store: store)
        try await tuf.refresh(now: clock())
        let director = Self.director(trusted.trust, await tuf.versions)
        return FleetTrust(trusted.authorityPEM, director, http, tuf, clock)
    }

    private init(
        _ authorityPEM: [UInt8], _ director: Director, _ http: HTTPClient, _ tuf: TUFClient, _ clock: @escaping Clock
    ) {
        self.authorityPEM = authorityPEM
        shared = Mutex(director)
        self.http = http
        self.tuf = tuf
        self.clock = clock
        refreshed = clock()
    }

    /// What is known now.
    nonisolated var director: Director { shared.withLock { $0 } }

    /// Looks whether the owner names another director; many devices asking at once ask the registry once.
    func refresh() async throws {
        guard clock() - refreshed >= .seconds(SimulationLimits.refreshSeconds) else { return }
        refreshed = clock()
        try await tuf.refresh(now: clock())
        let trust = try await HTTPMetadataFetcher(http: http).trustDocument(tuf)
        let director = Self.director(trust, await tuf.versions)
        shared.withLock { $0 = director }
    }

    func close() async { await http.close() }

    private static func director(
        _ trust: TrustDocument, _ versions: (root: Int, timestamp: Int, snapshot: Int)
    ) -> Director {
        Director(
            keys: trust.directorKeys, threshold: trust.directorThreshold, snapshot: Int64(versions.snapshot),
            timestamp: Int64(versions.timestamp))
    }
}
