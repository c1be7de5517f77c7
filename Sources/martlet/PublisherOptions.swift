import ArgumentParser
import FoundationEssentials
import Glibc
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

/// How a private key's passphrase is given.
struct PassphraseOptions: ParsableArguments {
    @Option(help: "A file whose first line is the passphrase of the private keys; /dev/stdin is one.")
    var passphraseFile: String?

    @Flag(help: "Leave new private keys unencrypted; for trials and for disks that are encrypted as a whole.")
    var noPassphrase = false

    /// The passphrase, asked for on the terminal where no file holds it; nil for none.
    ///
    /// Asked once in a process, and twice where `isNew`.
    func passphrase(for purpose: String, isNew: Bool) throws -> [UInt8]? {
        if isNew, noPassphrase { return nil }
        if let passphraseFile { return Array(try GlobalOptions.secret(in: passphraseFile, called: "passphrase").utf8) }
        guard Terminal.isThere else {
            throw CommandError(
                "passphraseNeeded", "The passphrase of \(purpose) is needed, and there is no terminal to ask on.",
                remedy: isNew ? "Give --passphrase-file FILE, or --no-passphrase." : "Give --passphrase-file FILE.")
        }
        let first = try Terminal.ask("Passphrase of \(purpose): ")
        guard isNew else { return first }
        guard try Terminal.ask("Again: ") == first, !first.isEmpty else {
            throw CommandError(
                "passphraseMismatch", "The two passphrases differ or are empty.", remedy: "Run the command again.")
        }
        return first
    }
}

/// The key that signs for a namespace, and the root that the signer believes.
struct PublisherOptions: ParsableArguments {
    @Option(
        help: """
            The publisher's private key: a PKCS#8 PEM file or an OpenSSL store URI; several where several must sign. \
            Without it the one that `martlet trust` made or was told.
            """,
        completion: .file())
    var key: [String] = []

    @OptionGroup var passphrase: PassphraseOptions

    /// All that publishing into `namespace` needs.
    func context(_ session: Session, namespace: String) async throws -> PublisherContext {
        let sources = key.isEmpty ? [session.stored.keys?[namespace]].compactMap(\.self) : key
        guard !sources.isEmpty else {
            throw CommandError(
                "noPublisherKey", "No key is known that signs for the namespace \(namespace).",
                remedy: "Give --key FILE, or run `martlet trust init --namespace \(namespace)`.")
        }
        return try await context(session, keys: sources)
    }

    /// The same with these keys, whatever they sign for.
    func context(_ session: Session, keys sources: [String]) async throws -> PublisherContext {
        var pairs: [KeyPair] = []
        for source in sources {
            pairs.append(try KeySource.open(source) { try passphrase.passphrase(for: source, isNew: false) })
        }
        return PublisherContext(
            operators: session.registry, oci: OCIClient(http: session.http), tuf: try await metadata(session),
            signers: pairs, clock: systemClock)
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
