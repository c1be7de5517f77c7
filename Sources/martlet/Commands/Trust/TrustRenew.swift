import ArgumentParser
import MartletAPI
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
            than --within is left alone. Where several must sign, each of them runs this: the first begins a renewal \
            that waits, the others sign it, and nothing but a renewal.

            After the registry was restored from an older backup, --restored signs what it has until it is above \
            what devices and this machine have seen; with publishers' changes since the backup gone, publish those \
            again.

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
    @Flag(help: "The registry was restored: believe its older versions, and sign above the newer ones.")
    var restored = false
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
        var answer = Answer()
        let seen = restored ? try await publisher.seen(session) : [:]
        // Root before targets, targets before namespaces: each is found by the one before.
        for (role, keys) in [("root", rootKey), ("targets", targetsKey)] where !keys.isEmpty {
            let context = try await publisher.context(session, keys: keys, isRestored: restored)
            answer.add(role, try await renew(role, context, above: seen))
        }
        for name in namespaces {
            let context = try await publisher.context(session, namespace: name, isRestored: restored)
            answer.add(name, try await renew(name, context, above: seen))
        }
        try options.printer.show(answer) { answer in
            var table = Table(heads: ["renewed", "version", "ends"])
            table.rows = answer.renewed.map { [$0.role, String($0.version), $0.expires.description] }
            table.whenEmpty = answer.waiting.isEmpty ? "nothing ends within \(within)" : "nothing was renewed yet"
            return table
        }
        for waiting in answer.waiting {
            options.printer.note(
                "\(waiting.role) has \(waiting.signed) of \(waiting.needed) signatures and waits as "
                    + "\(waiting.proposal): its other signers run `martlet trust renew` too.")
        }
    }

    /// What was done, as programs read it.
    private struct Answer: Encodable {
        struct Waiting: Encodable {
            let role: String
            let proposal: String
            let signed: Int
            let needed: Int
        }

        var renewed: [Renewal.Renewed] = []
        var waiting: [Waiting] = []

        mutating func add(_ role: String, _ outcome: Renewal.Outcome) {
            renewed += outcome.renewed
            guard let proposal = outcome.waiting else { return }
            waiting.append(
                Waiting(
                    role: role, proposal: proposal.id, signed: proposal.progress.map(\.signed.count).min() ?? 0,
                    needed: proposal.progress.map(\.needed).max() ?? 0))
        }
    }

    private func renew(
        _ role: String, _ context: PublisherContext, above seen: [String: Int]
    ) async throws -> Renewal.Outcome {
        try await Renewal(context: context, within: within.duration, above: seen).run(role)
    }
}
