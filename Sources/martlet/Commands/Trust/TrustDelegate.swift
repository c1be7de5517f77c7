import ArgumentParser
import MartletTypes
import Publishing
import TUF
import Trust

struct TrustDelegate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delegate",
        abstract: "Delegate a further namespace to a publisher's key of its own.",
        discussion: """
            Examples:
              martlet trust delegate factory --keys /media/usb/keys
              martlet trust delegate factory --targets-key /media/usb/keys/targets.pem \\
                --key 'pkcs11:token=factory;object=release'
            """)

    @Argument(help: "The namespace.") var namespace: String
    @Option(help: "The folder of the private keys, that of targets among them.", completion: .directory) var keys:
        String?
    @Option(help: "The owner's private key of targets, where it is not in --keys.", completion: .file())
    var targetsKey: [KeyLocation] = []
    @Option(help: "The publisher's private key, where none shall be made in --keys.", completion: .file())
    var key: KeyLocation?
    @OptionGroup var newKeys: NewKeyOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        _ = try NamespaceLayout(namespace)
        let session = try options.session()
        let folder = OfflineKeys(folder: keys ?? ClientConfiguration.keyFolder)
        var publisher = PublisherOptions()
        publisher.keys = newKeys.existing
        let owners = targetsKey.isEmpty ? [folder.location("targets")] : targetsKey
        let context = try await publisher.context(session, keys: owners)
        let location = key ?? folder.location(namespace)
        let pair: KeyPair
        if let key { pair = try newKeys.open(key) } else { pair = try newKeys.open(namespace, in: folder) }
        try await NamespaceDelegation(context: context).run(NamespaceSigners(namespace: namespace, key: pair))
        var stored = session.stored
        stored.keys = (stored.keys ?? [:]).merging([namespace: location.text]) { $1 }
        try stored.save(options.configurationPath)
        try options.printer.say(["namespace": namespace, "key": location.text]) { _ in
            "\(namespace)/* may now be published with \(location)."
        }
    }
}
