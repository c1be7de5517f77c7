import ArgumentParser
import MartletTypes
import Publishing
import TUF
import Trust

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
        _ = try NamespaceLayout(namespace)
        let session = try options.session()
        let folder = OfflineKeys(folder: keys ?? ClientConfiguration.keyFolder)
        var publisher = PublisherOptions()
        publisher.passphrase = passphrase
        let context = try await publisher.context(session, keys: [folder.path("targets")])
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
