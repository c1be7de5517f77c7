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
            """)

    @Option(help: "A namespace to delegate to a publisher's key of its own; may be given several times.")
    var namespace: [String] = []
    @Option(help: "The folder for the private keys.", completion: .directory) var keys: String?
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard Set(namespace).count == namespace.count else {
            throw ValidationError("A namespace is given twice.")
        }
    }

    func run() async throws {
        // Before a key is made: a namespace called `root` would share root's key.
        for name in namespace { _ = try NamespaceLayout(name) }
        let session = try options.session()
        guard try await session.registry.status().metadataVersions[RootMetadata.type] == nil else {
            throw CommandError(
                "alreadyInitialized", "This registry has a root already.",
                remedy: "Ask whoever made it for its digest, and believe it with `martlet trust pin DIGEST`.")
        }
        let folder = OfflineKeys(folder: keys ?? ClientConfiguration.keyFolder)
        // One ceremony, one passphrase: asked for when the first key needs it.
        var asked: [UInt8]??
        func secret() throws -> [UInt8]? {
            if let asked { return asked }
            let answer = try passphrase.passphrase(for: "the offline keys", isNew: true)
            asked = .some(answer)
            return answer
        }
        let root = try folder.open("root", passphrase: secret)
        let targets = try folder.open("targets", passphrase: secret)
        var signers: [NamespaceSigners] = []
        for name in namespace {
            signers.append(NamespaceSigners(namespace: name, key: try folder.open(name, passphrase: secret)))
        }
        let ceremony = TrustCeremony(operators: session.registry, clock: systemClock)
        let result = try await ceremony.run(root: [root], targets: [targets], namespaces: signers)
        var stored = session.stored
        stored.server = session.server
        stored.token = session.token
        stored.authority = session.authority
        stored.rootDigest = result.rootDigest
        stored.keys = Dictionary(uniqueKeysWithValues: namespace.map { ($0, folder.path($0)) })
        try stored.save(options.configurationPath)
        try options.printer.say(["rootDigest": result.rootDigest.text, "keys": folder.folder]) { _ in
            """
            Root is signed and published: \(result.rootDigest).
            Private keys: \(folder.folder). Keep root.pem and targets.pem offline, and a copy of both.
            """
        }
    }
}
