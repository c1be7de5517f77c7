import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import Trust

struct TrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust",
        abstract: "Make and see whom devices believe. Offline keys stay on this machine.",
        discussion: "Example: martlet trust init --namespace clinic --keys /media/usb/keys",
        subcommands: [TrustInit.self, TrustDelegate.self, TrustPin.self, TrustStatus.self],
        defaultSubcommand: TrustStatus.self)
}

struct TrustInit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make root, targets and publishers' keys here; sign the first metadata; upload its public half.",
        discussion: "May be repeated after a failure: keys that exist are used again.")

    @Option(help: "A namespace to delegate to a publisher's key of its own.") var namespace: [String] = []
    @Option(help: "The folder for the private keys.", completion: .directory) var keys: String?
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
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
        try options.printer.say(["rootDigest": result.rootDigest.text, "keys": folder.path("")]) { _ in
            """
            Root is signed and published: \(result.rootDigest).
            Private keys: \(keys ?? ClientConfiguration.keyFolder). Keep root.pem and targets.pem offline, and a copy of both.
            """
        }
    }
}

struct TrustDelegate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delegate",
        abstract: "Delegate a further namespace to a publisher's key of its own.",
        discussion: "Example: martlet trust delegate factory --keys /media/usb/keys")

    @Argument(help: "The namespace.") var namespace: String
    @Option(help: "The folder of the private keys, that of targets among them.", completion: .directory) var keys:
        String?
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let folder = OfflineKeys(folder: keys ?? ClientConfiguration.keyFolder)
        var publisher = PublisherOptions()
        publisher.key = folder.path("targets")
        publisher.passphrase = passphrase
        let context = try await publisher.context(session, namespace: namespace)
        let key = try folder.open(namespace) { try passphrase.passphrase(for: "the new key", isNew: true) }
        try await NamespaceDelegation(context: context).run(NamespaceSigners(namespace: namespace, key: key))
        var stored = session.stored
        stored.keys = (stored.keys ?? [:]).merging([namespace: folder.path(namespace)]) { $1 }
        try stored.save(options.configurationPath)
        try options.printer.say(["namespace": namespace, "key": folder.path(namespace)]) { _ in
            "\(namespace)/* may now be published with \(folder.path(namespace))."
        }
    }
}

struct TrustPin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Believe the registry's first root by its digest, as `trust init` printed it elsewhere.",
        discussion: "Example: martlet trust pin sha256:… --key-for clinic=/media/usb/keys/clinic.pem")

    @Argument(help: "The digest of the first root metadata.") var digest: String
    @Option(help: "NAMESPACE=KEY: which private key publishes there.") var keyFor: [String] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let wanted = try Digest(digest)
        _ = try await TrustAnchor.root(http: session.http, expecting: wanted)
        var stored = session.stored
        stored.server = session.server
        stored.rootDigest = wanted
        for text in keyFor {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw InvalidValue(kind: "--key-for", value: text, rule: "NAMESPACE=KEY, e.g. clinic=keys/clinic.pem")
            }
            stored.keys = (stored.keys ?? [:]).merging([parts[0]: parts[1]]) { $1 }
        }
        try stored.save(options.configurationPath)
        try options.printer.say(["rootDigest": digest]) { _ in
            "The registry's first root is \(digest), as it should be."
        }
    }
}

struct TrustStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show each role's version and when it ends.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let status = try await options.session().get(OperatorRoutes.status, as: RegistryStatus.self)
        try options.printer.show(status) { status in
            var table = Table(heads: ["role", "version", "expires"])
            table.rows = status.metadataVersions.sorted { $0.key < $1.key }.map { role, version in
                [role, String(version), status.metadataExpiries[role]?.description ?? "-"]
            }
            table.whenEmpty = "the registry has no root yet; run `martlet trust init`"
            return table
        }
    }
}
