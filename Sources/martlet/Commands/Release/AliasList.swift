import ArgumentParser
import MartletAPI
import MartletTypes

struct AliasList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List aliases.",
        discussion: "Example: martlet alias list --repository clinic/triage")
    @Option(help: "Only this repository.", transform: RepositoryName.init) var repository: RepositoryName?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let query = repository.map { ["repository": $0.text] } ?? [:]
        let aliases = try await options.session().list(OperatorRoutes.aliases, of: Alias.self, query: query)
        try options.printer.show(aliases) { aliases in
            var table = Table(heads: ["alias", "release"])
            table.rows = aliases.map { ["\($0.repository)@\($0.name)", "\($0.repository):\($0.version)"] }
            table.whenEmpty = "there is no alias; see `martlet alias set --help`"
            return table
        }
    }
}
