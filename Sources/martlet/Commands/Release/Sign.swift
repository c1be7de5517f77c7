import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF

struct Sign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add a signature to releases that wait for further publishers.",
        discussion: """
            Where several publishers must sign (`martlet trust threshold`), `martlet publish` and `martlet yank` leave \
            what they signed waiting. This checks that what waits is this release and nothing else, and signs; with \
            the last signature needed the release is published. Give --index to sign only the very bytes that you \
            have looked at.

            Releases share signed documents. One that is published overtakes those that wait in the same document: \
            their signatures are asked for again, and --again gives all of yours.

            Examples:
              martlet sign clinic/triage:1.2.0 --key bob.pem
              martlet sign --again
            """)

    @Argument(help: "NAMESPACE/NAME:VERSION; several.", transform: ReleaseReference.init)
    var release: [ReleaseReference] = []
    @Option(help: "The digest that the release's index must have.", transform: Digest.init) var index: Digest?
    @Flag(help: "Sign what was overtaken after these keys had signed it.") var again = false
    @Flag(name: [.short, .long], help: "With --again: sign without asking.") var yes = false
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard again == release.isEmpty else {
            throw ValidationError("Name the releases to sign, or give --again.")
        }
        guard index == nil || release.count == 1 else { throw ValidationError("--index goes with one release.") }
    }

    func run() async throws {
        let session = try options.session()
        if again { try await signAgain(session) }
        for reference in release {
            let path = try await session.resolve(reference)
            let proposal = try await waiting(path, session)
            if let index { try Self.check(proposal, path, index) }
            try await TrustSign.sign(proposal, publisher, session, options, expecting: path, asks: false)
        }
        try await tellOvertaken(session)
    }

    private func waiting(_ path: ReleasePath, _ session: Session) async throws -> Proposal {
        let found = try await session.registry.proposals().first { $0.edit?["path"]?.string == path.text }
        guard let found else {
            throw CommandError(
                "nothingPending", "\(path.reference) does not wait for signatures.",
                remedy: "`martlet trust pending` shows what waits, `martlet releases` what is published.")
        }
        return found
    }

    private static func check(_ proposal: Proposal, _ path: ReleasePath, _ index: Digest) throws {
        let found = try proposal.edit.map { try PublisherEdit(json: $0) }
        guard case .add(_, let file)? = found, file.hashes[index.algorithm.rawValue] == index.hex else {
            throw CommandError(
                "indexMismatch", "What waits as \(proposal.id) is not \(path.reference) with the index \(index).",
                remedy: "Ask who made it; `martlet trust withdraw \(proposal.id)` removes it.", fault: .peer)
        }
    }

    /// Who has signed before is what the registry says, so that each is shown and asked about.
    private func signAgain(_ session: Session) async throws {
        var count = 0
        for proposal in try await session.registry.proposals() where !proposal.signAgain.isEmpty {
            guard let path = try proposal.edit?["path"]?.string.map({ try ReleasePath($0) }) else { continue }
            let context = try await publisher.context(session, namespace: path.repository.namespace)
            guard context.signers.contains(where: { proposal.signAgain.contains($0.publicKey.keyID) }) else { continue }
            try await TrustSign.sign(proposal, publisher, session, options, expecting: path, asks: !yes)
            count += 1
        }
        if count == 0 { options.printer.note("Nothing that these keys had signed was overtaken.") }
    }

    /// What waits still and lost signatures, with whose.
    private func tellOvertaken(_ session: Session) async throws {
        for proposal in try await session.registry.proposals() where !proposal.signAgain.isEmpty {
            let keys = proposal.signAgain.map { String($0.prefix(12)) }.joined(separator: ", ")
            options.printer.note(
                "\(proposal.id) (\(proposal.note)) was overtaken by another release in the same document: the "
                    + "signatures of \(keys) are needed again. Their owners run `martlet sign --again`.")
        }
    }
}
