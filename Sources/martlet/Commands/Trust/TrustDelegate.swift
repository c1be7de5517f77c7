import ArgumentParser
import MartletTypes
import Publishing
import TUF
import Trust

struct TrustDelegate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delegate",
        abstract: "Delegate a further namespace to keys of its publishers.",
        discussion: """
            Without --publisher a key is made for it in --keys. With several publishers --threshold says how many of \
            them must sign each release; where fewer of them are here than that, the change waits for the others.

            Examples:
              martlet trust delegate factory --keys /media/usb/keys
              martlet trust delegate ward --threshold 2 --publisher ann.pub --publisher bob.pub \\
                --publisher carol.pub
              martlet trust delegate factory --key /media/usb/keys/targets.pem \\
                --publisher 'pkcs11:token=factory;object=release'
            """)

    @Argument(help: "The namespace.") var namespace: String
    @Option(
        help: "A key that may sign for it: its public half, or its private one, which signs then.", completion: .file())
    var publisher: [KeyLocation] = []
    @Option(help: "How many of them must sign.", transform: Count.positive) var threshold: Int = 1
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard threshold <= max(publisher.count, 1) else {
            throw ValidationError("--threshold \(threshold) needs as many --publisher options.")
        }
    }

    func run() async throws {
        _ = try NamespaceLayout(namespace)
        let session = try options.session()
        let context = try await change.context(session)
        var keys: [PublicKey] = []
        var signers: [any Signer] = []
        var location = publisher.first
        if publisher.isEmpty {
            let pair = try change.newKeys.open(namespace, in: change.folder)
            keys = [pair.publicKey]
            signers = [pair]
            location = change.folder.location(namespace)
        }
        for publisher in publisher {
            if let pair = try PublicKeyFile.privateKey(publisher, change.newKeys.existing) {
                signers.append(pair)
                keys.append(pair.publicKey)
            } else {
                keys.append(try PublicKeyFile.read(publisher, change.newKeys.existing))
            }
        }
        let draft = try await TrustEditor(context: context).delegating(namespace, to: keys, threshold: threshold)
        if let location, !signers.isEmpty {
            var stored = session.stored
            stored.keys = (stored.keys ?? [:]).merging([namespace: location.text]) { $1 }
            try stored.save(options.configurationPath)
        }
        guard let draft else {
            return try ChangeAnswer(state: .done, progress: []).print(options)
        }
        try await change.finish(draft, context, session, options, also: signers)
    }
}
