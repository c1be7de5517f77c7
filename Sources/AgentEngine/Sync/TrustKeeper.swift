package import AgentStore
internal import MartletAPI
internal import MartletTypes
internal import RegistryClient
package import TUF
internal import Trust

/// Whom this device believes: the owner's metadata, and by it the director.
package actor TrustKeeper {
    let store: AgentStore
    let link: RegistryLink
    let clock: AgentClock
    let firstRoot: [UInt8]
    let tuf: TUFClient
    nonisolated let source: MetadataSource
    private var document: TrustDocument?

    package init(store: AgentStore, link: RegistryLink, clock: AgentClock) throws {
        self.store = store
        self.link = link
        self.clock = clock
        firstRoot = try store.identity.root()
        source = MetadataSource(link: link, clock: clock)
        tuf = try TUFClient(
            trustedRoot: firstRoot, fetcher: source,
            store: SuspendableMetadataStore(base: store.metadata, health: store.health))
    }

    /// The highest versions of snapshot and timestamp that were accepted.
    package func versions() async -> (snapshot: Int64, timestamp: Int64) {
        let versions = await tuf.versions
        return (Int64(versions.snapshot), Int64(versions.timestamp))
    }

    /// Root and top-level targets as they were followed last; nil before the first refresh since the agent's start.
    func revision() async -> TrustRevision? {
        guard let targets = await tuf.metadata(TargetsMetadata.type) else { return nil }
        return TrustRevision(root: Int64(await tuf.versions.root), targets: Int64(targets.version))
    }

    /// Brings the metadata up to date, and follows the trust document where it changed.
    package func refresh() async throws {
        try await tuf.refresh(now: clock.now)
        guard let file = try await tuf.target(TrustDocument.path) else {
            throw AgentError(
                .untrusted, "The owner's targets do not name \(TrustDocument.path).",
                remedy: "The owner must run `martlet trust init`.", fault: .peer)
        }
        if document != nil, let bytes = try await store.journal.fact(Self.factName), Self.names(file, bytes) { return }
        try await follow(try await source.trustDocument(file))
    }

    /// The director's keys, from what is on the device where that is still valid, else from the registry.
    package func director() async throws -> (keys: [String: PublicKey], threshold: Int) {
        if document == nil { await readCached() }
        if document == nil { try await refresh() }
        guard let document else { throw AgentError(.untrusted, "No trust document was found.", fault: .peer) }
        return (document.directorKeys, document.directorThreshold)
    }

    private func readCached() async {
        do {
            guard let bytes = try await store.journal.fact(Self.factName),
                let file = try await cachedClient()?.target(TrustDocument.path), Self.names(file, bytes)
            else { return }
            document = try TrustDocument(parsing: bytes)
        } catch {
            // What is kept cannot be used; the registry is asked.
            return
        }
    }

    private func follow(_ bytes: [UInt8]) async throws {
        let followed = try TrustDocument(parsing: bytes)
        try await store.journal.setFact(Self.factName, bytes)
        document = followed
        guard var identity = try store.identity.load(), !identity.isAirGapped else { return }
        var changed = identity
        changed.authorities = followed.certificateAuthorities
        if !followed.addresses.contains(identity.registry), let address = followed.addresses.first {
            changed.registry = address
        }
        guard changed != identity else { return }
        identity = changed
        try store.identity.save(identity)
        await link.renew()
    }

    static let factName = "trustDocument"

    private static func names(_ file: TargetFile, _ bytes: [UInt8]) -> Bool {
        do {
            try file.check(bytes, path: TrustDocument.path)
            return true
        } catch {
            return false
        }
    }

    static func isTransport(_ error: any Error) -> Bool {
        if error is CancellationError { return true }
        guard let error = error as? ClientError else { return false }
        return error.isTransient || error.reason == .closed || error.reason == .cancelled
    }
}
