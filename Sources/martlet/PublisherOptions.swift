import ArgumentParser
import FoundationEssentials
import Glibc
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

/// The key that signs for a namespace, and the root that the signer believes.
struct PublisherOptions: ParsableArguments {
    @Option(
        help: """
            The publisher's private key: a PKCS#8 PEM file or the URI of a key in a token (pkcs11:…) or TPM \
            (handle:…); several where several must sign. Without it the one that `martlet trust` made or was told.
            """,
        completion: .file())
    var key: [KeyLocation] = []

    @OptionGroup var keys: KeyOptions

    /// All that publishing into `namespace` needs. `isRestored`: see `metadata`.
    func context(
        _ session: Session, namespace: String, isRestored: Bool = false
    ) async throws -> PublisherContext {
        let sources = key.isEmpty ? [session.stored.keys?[namespace].map { KeyLocation($0) }].compactMap(\.self) : key
        guard !sources.isEmpty else {
            throw CommandError(
                "noPublisherKey", "No key is known that signs for the namespace \(namespace).",
                remedy: "Give --key FILE, or run `martlet trust init --namespace \(namespace)`.")
        }
        return try await context(session, keys: sources, isRestored: isRestored)
    }

    /// The same with these keys, whatever they sign for.
    func context(
        _ session: Session, keys sources: [KeyLocation], isRestored: Bool = false
    ) async throws -> PublisherContext {
        // Opened first, so that nobody types a passphrase after a wait for the registry.
        let signers = try keys.open(sources)
        return PublisherContext(
            operators: session.registry, oci: OCIClient(http: session.http),
            tuf: try await metadata(session, isRestored: isRestored), signers: signers, clock: systemClock)
    }

    /// The verified metadata of the registry, from the root that this operator pinned; with what this machine has seen
    /// before as a guard against rollback, unless the registry was restored from an older backup (`isRestored`).
    private func metadata(_ session: Session, isRestored: Bool) async throws -> TUFClient {
        let (digest, folder) = try store(session)
        let root = try await TrustAnchor.root(http: session.http, expecting: digest)
        let store: any MetadataStore = isRestored ? InMemoryMetadataStore() : folder
        return try TUFClient(
            trustedRoot: root, fetcher: HTTPMetadataFetcher(http: session.http), store: store)
    }

    private func store(_ session: Session) throws -> (root: Digest, store: FileMetadataStore) {
        guard let digest = session.stored.rootDigest else {
            throw CommandError(
                "noTrustedRoot", "This operator trusts no root metadata yet.",
                remedy: "Run `martlet trust init` (once for a registry) or `martlet trust pin DIGEST`.")
        }
        return (digest, try FileMetadataStore(folder: ClientConfiguration.metadataFolder(for: digest)))
    }

    /// The versions that this machine and devices have seen, by role.
    func seen(_ session: Session) async throws -> [String: Int] {
        var seen: [String: Int] = [:]
        if let bytes = try store(session).store.load(SnapshotMetadata.type) {
            let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.tufMetadataBytes)
            seen = try SnapshotMetadata(json: envelope.signed).roles.mapValues(\.version)
        }
        for role in try await session.registry.status().behind {
            seen[role.role] = max(seen[role.role] ?? 0, Int(role.seen))
        }
        return seen
    }
}

/// The time of this machine.
let systemClock: Clock = {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Timestamp(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
}
