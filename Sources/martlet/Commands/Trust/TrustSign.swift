import ArgumentParser
import FoundationEssentials
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

struct TrustSign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Add signatures to a change that waits in the registry, or that came in a file.",
        discussion: """
            Shows what the change does, by what this machine has verified, before it signs. A file is signed without \
            any network, for keys on a machine that has none; what stands is then what the file says stands.

            Examples:
              martlet trust sign p-4f20 --key bob.pem
              martlet trust sign rotation.json --key /media/usb/root-b.pem --yes
            """)

    @Argument(help: "The identifier of a change that waits, or a file that --out wrote.") var change: String
    @Flag(name: [.short, .long], help: "Sign without asking.") var yes = false
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        if FileManager.default.fileExists(atPath: change) { return try signFile() }
        let session = try options.session()
        let proposal = try await session.registry.proposal(change)
        try await Self.sign(proposal, publisher, session, options, expecting: nil, asks: !yes)
    }

    private func signFile() throws {
        guard !publisher.key.isEmpty else {
            throw CommandError("noKey", "Which key shall sign is not said.", remedy: "Give --key FILE.")
        }
        let draft = try ChangeFile.read(change)
        try Self.confirm(try ChangeSummary(draft), options, asks: !yes)
        let (signed, count) = try draft.signed(by: try publisher.keys.open(publisher.key))
        guard count > 0 else {
            throw CommandError(
                "notASigner", "The keys at hand sign no part of this change that still lacks a signature.",
                remedy: "Give a key of \(draft.roles.keys.sorted().prefix(4).joined(separator: ", ")).")
        }
        try ChangeFile.write(signed, to: change)
        try ChangeAnswer(state: .written, progress: try signed.progress(), file: change).print(options)
    }

    /// Signs a change that waits. `release` is the only release that it may publish or withdraw, and all that it may
    /// do.
    static func sign(
        _ proposal: Proposal, _ publisher: PublisherOptions, _ session: Session, _ options: GlobalOptions,
        expecting release: ReleasePath?, asks: Bool
    ) async throws {
        let context =
            if let namespace = proposal.namespace {
                try await publisher.context(session, namespace: namespace)
            } else {
                try await publisher.context(session, keys: publisher.key)
            }
        let submission = ChangeSubmission(context: context)
        let draft = try await submission.review(proposal)
        let summary = try ChangeSummary(draft)
        if let release {
            guard !summary.changesMore, summary.published + summary.withdrawn == [release.text] else {
                throw CommandError(
                    "otherChange",
                    "\(proposal.id) does more than its note says: \(summary.lines.joined(separator: "; ")).",
                    remedy: "Ask who made it; `martlet trust withdraw \(proposal.id)` removes it.", fault: .peer)
            }
        }
        try confirm(summary, options, asks: asks)
        try ChangeAnswer(try await submission.sign(proposal, as: draft), draft).print(options)
    }

    /// Shows a change, and asks where it shall be asked.
    static func confirm(_ summary: ChangeSummary, _ options: GlobalOptions, asks: Bool) throws {
        for line in summary.lines { options.printer.note("  " + line) }
        guard asks else { return }
        guard Terminal.isThere else {
            throw CommandError(
                "confirmationNeeded", "There is no terminal to ask on whether this shall be signed.",
                remedy: "Look at it with `martlet trust pending --output json`, then give --yes.")
        }
        guard Terminal.confirm("Sign this? [y/N] ") else {
            throw CommandError("notConfirmed", "Nothing was signed.", remedy: "Answer y to sign.")
        }
    }
}
