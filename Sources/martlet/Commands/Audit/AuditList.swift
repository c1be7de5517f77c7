import ArgumentParser
import MartletAPI
import MartletTypes

struct AuditList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List who changed what, newest first.",
        discussion: """
            What the registry says; `martlet audit verify` checks it.

            Examples:
              martlet audit list --limit 20
              martlet audit list --action release. --output json
            """)

    @Option(help: "Rows to show (default: 50).", transform: Count.positive) var limit = 50
    @Option(help: "Only actions that begin so, e.g. release. or device.enrol.") var action: String?
    @Option(help: "Only rows of this token or device.") var actor: String?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let isFiltered = action != nil || actor != nil
        let rows = try await session.list(
            OperatorRoutes.audit, of: AuditRow.self, limit: isFiltered ? AuditLimits.rows : limit)
        let chosen = rows.filter { row in
            row.action.hasPrefix(action ?? "") && (actor == nil || row.actor == actor)
        }
        try options.printer.show(Array(chosen.prefix(limit))) { rows in
            var table = Table(heads: ["number", "time", "actor", "action", "subject", "hash"])
            table.rows = rows.map {
                [String($0.number), $0.time.description, $0.actor, $0.action, $0.subject, String($0.hash.prefix(12))]
            }
            return table
        }
    }
}
