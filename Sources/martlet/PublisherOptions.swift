import ArgumentParser
import FoundationEssentials
import Glibc
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

    /// All that publishing into `namespace` needs.
    func context(_ session: Session, namespace: String) async throws -> PublisherContext {
        let sources = key.isEmpty ? [session.stored.keys?[namespace].map { KeyLocation($0) }].compactMap(\.self) : key
        guard !sources.isEmpty else {
            throw CommandError(
                "noPublisherKey", "No key is known that signs for the namespace \(namespace).",
                remedy: "Give --key FILE, or run `martlet trust init --namespace \(namespace)`.")
        }
        return try await context(session, keys: sources)
    }

    /// The same with these keys, whatever they sign for.
    func context(_ session: Session, keys sources: [KeyLocation]) async throws -> PublisherContext {
        // Opened first, so that nobody types a passphrase after a wait for the registry.
        let signers = try keys.open(sources)
        return PublisherContext(
            operators: session.registry, oci: OCIClient(http: session.http), tuf: try await metadata(session),
            signers: signers, clock: systemClock)
    }

    /// The verified metadata of the registry, from the root that this operator pinned.
    private func metadata(_ session: Session) async throws -> TUFClient {
        guard let digest = session.stored.rootDigest else {
            throw CommandError(
                "noTrustedRoot", "This operator trusts no root metadata yet.",
                remedy: "Run `martlet trust init` (once for a registry) or `martlet trust pin DIGEST`.")
        }
        let root = try await TrustAnchor.root(http: session.http, expecting: digest)
        return try TUFClient(
            trustedRoot: root, fetcher: HTTPMetadataFetcher(http: session.http),
            store: FileMetadataStore(folder: ClientConfiguration.metadataFolder(for: digest)))
    }
}

/// The time of this machine.
let systemClock: Clock = {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Timestamp(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
}
