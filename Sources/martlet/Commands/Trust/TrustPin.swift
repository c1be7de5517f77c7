import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

struct TrustPin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Believe the registry's first root by its digest, as `trust init` printed it elsewhere.",
        discussion: """
            An empty registry has no root yet: what it gets by `martlet import` must then be that one.

            Example:
              martlet trust pin sha256:9f86d0… --key-for clinic=/media/usb/keys/clinic.pem
            """)

    @Argument(help: "The digest of the first root metadata.", transform: Digest.init) var digest: Digest
    @Option(
        help: "NAMESPACE=KEY: which private key publishes there; may be given several times.",
        transform: NamespaceKey.init)
    var keyFor: [NamespaceKey] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let keys = Dictionary(keyFor.map { ($0.namespace, $0.key.text) }) { $1 }
        let session = try options.session()
        let hasRoot = try await session.registry.status().metadataVersions[RootMetadata.type] != nil
        if hasRoot { _ = try await TrustAnchor.root(http: session.http, expecting: digest) }
        var stored = session.stored
        stored.server = session.server
        stored.token = session.token
        stored.authority = session.authority
        stored.rootDigest = digest
        stored.keys = (stored.keys ?? [:]).merging(keys) { $1 }
        try stored.save(options.configurationPath)
        try options.printer.say(["rootDigest": digest.text]) { _ in
            hasRoot
                ? "The registry's first root is \(digest), as it should be."
                : "The registry has no root yet; this operator believes \(digest) and no other."
        }
    }
}
