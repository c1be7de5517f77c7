import ArgumentParser
import MartletAPI
import MartletTypes
import RegistryClient

struct TrustPending: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pending", abstract: "List the changes and releases that wait for signatures.",
        discussion: "Example: martlet trust pending")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let proposals = try await options.session().registry.proposals()
        try options.printer.show(proposals) { proposals in
            var table = Table(heads: ["id", "for", "since", "by", "signed", "note"])
            table.rows = proposals.map { proposal in
                let missing = proposal.progress.filter { !$0.isComplete }
                let signed = missing.map(\.signed.count).min() ?? 0
                let needed = missing.map(\.needed).max() ?? signed
                let again = proposal.signAgain.isEmpty ? "" : ", \(proposal.signAgain.count) again"
                let count = proposal.isOutdated ? "overtaken" : "\(signed) of \(needed)\(again)"
                return [
                    proposal.id, proposal.namespace ?? "owner", proposal.created.description, proposal.createdBy, count,
                    proposal.note,
                ]
            }
            table.whenEmpty = "nothing waits for signatures"
            return table
        }
    }
}
