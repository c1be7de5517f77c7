import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

struct TrustInit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make root, targets and publishers' keys here; sign the first metadata; upload its public half.",
        discussion: """
            Once for a registry, which has only keys of its own so far. May be repeated after a failure: keys that \
            exist are used again.

            Examples:
              martlet trust init --namespace clinic --keys /media/usb/keys
              martlet trust init --namespace clinic --namespace legal --passphrase-file pass
              martlet trust init --root-key 'pkcs11:token=owner;object=root' \\
                --key-for 'clinic=pkcs11:token=clinic;object=release'
            """)

    @Option(help: "A namespace to delegate to a publisher's key of its own; may be given several times.")
    var namespace: [String] = []
    @Option(help: "The folder for the private keys.", completion: .directory) var keys: String?
    @Option(
        help: "A private key of root that exists, e.g. in a token; without it one is made in --keys.",
        completion: .file())
    var rootKey: [KeyLocation] = []
    @Option(help: "The same for targets.", completion: .file()) var targetsKey: [KeyLocation] = []
    @Option(
        help: "NAMESPACE=KEY: a namespace to delegate to a publisher's key that exists; may be given several times.",
        transform: NamespaceKey.init)
    var keyFor: [NamespaceKey] = []
    @OptionGroup var newKeys: NewKeyOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        let all = namespace + keyFor.map(\.namespace)
        guard Set(all).count == all.count else {
            throw ValidationError("A namespace is given twice.")
        }
    }

    func run() async throws {
        // Before a key is made: a namespace called `root` would share root's key.
        for name in namespace + keyFor.map(\.namespace) { _ = try NamespaceLayout(name) }
        let session = try options.session()
        guard try await session.registry.status().metadataVersions[RootMetadata.type] == nil else {
            throw CommandError(
                "alreadyInitialized", "This registry has a root already.",
                remedy: "Ask whoever made it for its digest, and believe it with `martlet trust pin DIGEST`.")
        }
        let folder = OfflineKeys(folder: keys ?? ClientConfiguration.keyFolder)
        let root = try owners(rootKey, "root", folder)
        let targets = try owners(targetsKey, "targets", folder)
        var locations: [String: String] = [:]
        var signers: [NamespaceSigners] = []
        for name in namespace {
            locations[name] = folder.location(name).text
            signers.append(NamespaceSigners(namespace: name, key: try newKeys.open(name, in: folder)))
        }
        for known in keyFor {
            locations[known.namespace] = known.key.text
            signers.append(NamespaceSigners(namespace: known.namespace, key: try newKeys.open(known.key)))
        }
        let ceremony = TrustCeremony(operators: session.registry, clock: systemClock)
        let result = try await ceremony.run(root: root, targets: targets, namespaces: signers)
        var stored = session.stored
        stored.server = session.server
        stored.token = session.token
        stored.authority = session.authority
        stored.rootDigest = result.rootDigest
        stored.keys = locations
        try stored.save(options.configurationPath)
        try options.printer.say(["rootDigest": result.rootDigest.text, "keys": folder.folder]) { _ in
            """
            Root is signed and published: \(result.rootDigest).
            Private keys: \(folder.folder). Keep root.pem and targets.pem offline, and a copy of both.
            """
        }
    }
    /// The keys that are named, else the one in the folder, made where it is absent.
    private func owners(_ given: [KeyLocation], _ name: String, _ folder: OfflineKeys) throws -> [KeyPair] {
        given.isEmpty ? [try newKeys.open(name, in: folder)] : try newKeys.existing.open(given)
    }
}
