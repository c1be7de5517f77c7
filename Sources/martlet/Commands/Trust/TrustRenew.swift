import ArgumentParser
import MartletTypes
import Publishing
import RegistryClient
import Trust

struct TrustRenew: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Sign anew what ends soon: namespaces with publishers' keys, targets and root with the owner's.",
        discussion: """
            A namespace is good for 30 days from when it was signed, also where nothing is published; after that no \
            device installs from it. Let a timer run this every week, where the publisher's key is. What ends later \
            than --within is left alone.

            Examples:
              martlet trust renew
              martlet trust renew --namespace clinic --within 20d --passphrase-file pass
              martlet trust renew --targets-key /media/usb/keys/targets.pem --within 90d
            """)

    @Option(help: "A namespace to renew; without it every one whose key is known here.") var namespace: [String] = []
    @Option(help: "Renew what ends within this time (default: 10d).", transform: TimeSpan.init)
    var within = TimeSpan(seconds: Int64(MetadataRoles.warningDays) * 86_400)
    @Option(help: "The owner's private key of targets, to renew those.", completion: .file()) var targetsKey:
        [KeyLocation] = []
    @Option(help: "The owner's private key of root, to renew that.", completion: .file()) var rootKey: [KeyLocation] =
        []
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let isOwner = !targetsKey.isEmpty || !rootKey.isEmpty
        let namespaces =
            namespace.isEmpty && !isOwner ? (session.stored.keys ?? [:]).keys.sorted() : namespace
        guard isOwner || !namespaces.isEmpty else {
            throw CommandError(
                "noPublisherKey", "No key is known here that signs for a namespace.",
                remedy: "Give --namespace N and --key FILE, or --targets-key FILE.")
        }
        var renewed: [Renewal.Renewed] = []
        // Root before targets, targets before namespaces: each is found by the one before.
        if !rootKey.isEmpty {
            let context = try await publisher.context(session, keys: rootKey)
            renewed += [try await Renewal(context: context, within: within.duration).root()].compactMap(\.self)
        }
        if !targetsKey.isEmpty {
            let context = try await publisher.context(session, keys: targetsKey)
            renewed += [try await Renewal(context: context, within: within.duration).topLevelTargets()]
                .compactMap(\.self)
        }
        for name in namespaces {
            let context = try await publisher.context(session, namespace: name)
            renewed += try await Renewal(context: context, within: within.duration).namespace(name)
        }
        try options.printer.show(renewed) { renewed in
            var table = Table(heads: ["renewed", "version", "ends"])
            table.rows = renewed.map { [$0.role, String($0.version), $0.expires.description] }
            table.whenEmpty = "nothing ends within \(within)"
            return table
        }
    }
}
