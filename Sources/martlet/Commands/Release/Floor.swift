import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import Trust

struct Floor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forbid to install anything below a version, whoever assigns it.",
        discussion: """
            Signed with the publisher's key. A device that has seen it never installs or goes back to a lower version, \
            also where the registry assigns one or hides the floor; what runs below it goes on until another release \
            is assigned. A floor is lowered only by its publisher, with --lower.

            Examples:
              martlet floor clinic/triage 1.4.0 --reason 'wrong doses before 1.4.0'
              martlet floor clinic/triage 1.3.2 --lower --reason '1.3.2 was never affected'
            """)

    @Argument(help: "NAMESPACE/NAME.", transform: RepositoryName.init) var repository: RepositoryName
    @Argument(help: "The lowest version that may be installed.", transform: SemanticVersion.init) var version:
        SemanticVersion
    @Option(help: "Why; signed with it, and told to the owners of devices that refuse a release by it.")
    var reason: String = ""
    @Flag(help: "Allow a floor below the present one; needs --reason.") var lower = false
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard !lower || !reason.isEmpty else { throw ValidationError("--lower needs a --reason.") }
    }

    func run() async throws {
        let session = try options.session()
        let context = try await publisher.context(session, namespace: repository.namespace)
        let outcome = try await Publishing.Floor(context: context).run(
            repository, to: version, reason: reason, mayLower: lower)
        let report = Report(repository, outcome)
        let status = try await session.get(OperatorRoutes.status, as: RegistryStatus.self)
        try options.printer.say(report) { $0.words }
        for use in status.takenBack where use.floor != nil && use.path.repository == repository {
            options.printer.note("\(use.path.reference) is \(use.words). \(ReleasesBlock.stillRunning(use))")
        }
    }

    /// What became of it, for people and programs.
    private struct Report: Encodable {
        let repository: RepositoryName
        let floor: SemanticVersion
        let number: Int64
        let reason: String
        let state: String
        let proposal: String?

        init(_ repository: RepositoryName, _ outcome: Publishing.Floor.Outcome) {
            self.repository = repository
            let (statement, state, waiting) =
                switch outcome {
                case .set(let floor): (floor, "set", String?.none)
                case .unchanged(let floor): (floor, "unchanged", String?.none)
                case .pending(let floor, let proposal): (floor, "pending", Optional(proposal.id))
                }
            (floor, number, reason) = (statement.version, statement.number, statement.reason)
            (self.state, proposal) = (state, waiting)
        }

        var words: String {
            if let proposal {
                return "The floor \(floor) of \(repository) waits as \(proposal) for further signatures: "
                    + "`martlet trust sign \(proposal)`."
            }
            return "Nothing below \(repository):\(floor) is installed any more"
                + (state == "unchanged" ? "; that was so before." : ".")
        }
    }
}
