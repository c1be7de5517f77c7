import ArgumentParser
import MartletAPI
import MartletTypes

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List who changed what, newest first.",
        discussion: """
            Examples:
              martlet audit --limit 20
              martlet audit --limit 10000 --output json > audit.json
            """)

    @Option(help: "Rows to show (default: 50).", transform: Count.positive) var limit = 50
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let rows = try await options.session().list(OperatorRoutes.audit, of: AuditRow.self, limit: limit)
        try options.printer.show(rows) { rows in
            var table = Table(heads: ["number", "time", "actor", "action", "subject", "hash"])
            table.rows = rows.map {
                [String($0.number), $0.time.description, $0.actor, $0.action, $0.subject, String($0.hash.prefix(12))]
            }
            return table
        }
    }
}
