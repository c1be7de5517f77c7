import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF

struct Sign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add a signature to a release that waits for further publishers.",
        discussion: """
            Where several publishers must sign (`martlet trust threshold`), `martlet publish` and `martlet yank` leave \
            what they signed waiting. This checks that what waits is this release and nothing else, and signs; with \
            the last signature needed the release is published. Give --index to sign only the very bytes that you \
            have looked at.

            Example: martlet sign clinic/triage:1.2.0 --key bob.pem
            """)

    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @Option(help: "The digest that the release's index must have.", transform: Digest.init) var index: Digest?
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let waiting = try await session.registry.proposals().filter { $0.edit?["path"]?.string == path.text }
        guard let proposal = waiting.first else {
            throw CommandError(
                "nothingPending", "\(path.reference) does not wait for signatures.",
                remedy: "`martlet trust pending` shows what waits, `martlet releases` what is published.")
        }
        if let index {
            let found = try proposal.edit.map { try PublisherEdit(json: $0) }
            guard case .add(_, let file)? = found, file.hashes[index.algorithm.rawValue] == index.hex else {
                throw CommandError(
                    "indexMismatch", "What waits as \(proposal.id) is not \(path.reference) with the index \(index).",
                    remedy: "Ask who made it; `martlet trust withdraw \(proposal.id)` removes it.", fault: .peer)
            }
        }
        try await TrustSign.sign(proposal, publisher, session, options, expecting: path, asks: false)
    }
}
