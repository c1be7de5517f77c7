package import AgentStore
internal import MartletTypes
internal import RegistryClient
package import TUF
package import Trust

/// Whom this device believes: the owner's metadata, and by it the director.
package actor TrustKeeper {
    private let store: AgentStore
    private let link: RegistryLink
    private let clock: AgentClock
    private let firstRoot: [UInt8]
    private let tuf: TUFClient
    private var document: TrustDocument?

    package init(store: AgentStore, link: RegistryLink, clock: AgentClock) throws {
        self.store = store
        self.link = link
        self.clock = clock
        firstRoot = try store.identity.root()
        tuf = try TUFClient(
            trustedRoot: firstRoot, fetcher: LinkMetadataFetcher(link: link), store: store.metadata)
    }

    /// The highest versions of snapshot and timestamp that were accepted.
    package func versions() async -> (snapshot: Int64, timestamp: Int64) {
        let versions = await tuf.versions
        return (Int64(versions.snapshot), Int64(versions.timestamp))
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
        let bytes = try await HTTPMetadataFetcher(http: link.http()).target(TrustDocument.path, file)
        try await follow(bytes)
    }

    /// The director's keys, from what is on the device where that is still valid, else from the registry.
    package func director() async throws -> (keys: [String: PublicKey], threshold: Int) {
        if document == nil { await readCached() }
        if document == nil { try await refresh() }
        guard let document else { throw AgentError(.untrusted, "No trust document was found.", fault: .peer) }
        return (document.directorKeys, document.directorThreshold)
    }

    /// Makes sure that publishers signed exactly this release: by the metadata on the device where that is valid and
    /// names it, so that going back needs no network, else after a refresh. Throws `SlotFailure`.
    package func check(_ release: AssignedRelease) async throws {
        if let file = try await cachedTarget(release.path.text), file.names(release.indexDigest, length: release.length)
        {
            return
        }
        do {
            try await refresh()
        } catch {
            throw SlotFailure.from(error, otherwise: Self.isTransport(error) ? .transport : .retry)
        }
        guard let file = try await tuf.target(release.path.text) else {
            throw SlotFailure(
                .retry, code: "notPublished",
                message:
                    "\(release.path.reference) is assigned, but its publisher's signature is not there, or withdrawn."
            )
        }
        guard file.names(release.indexDigest, length: release.length) else {
            throw SlotFailure(
                .final, code: "targetMismatch",
                message: "Director and publisher disagree about \(release.path.reference): the assignment says "
                    + "\(release.indexDigest).")
        }
    }

    /// What the metadata on this device says about a target; nil where it names none or is not valid any more.
    private func cachedTarget(_ path: String) async throws -> TargetFile? {
        do {
            let view = ReadOnlyMetadataStore(base: store.metadata)
            let client = try TUFClient(trustedRoot: firstRoot, fetcher: CachedMetadata(store: view), store: view)
            try await client.refresh(now: clock.now)
            return try await client.target(path)
        } catch is TUFError {
            return nil
        }
    }

    private func readCached() async {
        do {
            guard let bytes = try await store.journal.fact(Self.factName),
                let file = try await cachedTarget(TrustDocument.path), Self.names(file, bytes)
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
        guard var identity = try store.identity.load() else { return }
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

    private static let factName = "trustDocument"

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
