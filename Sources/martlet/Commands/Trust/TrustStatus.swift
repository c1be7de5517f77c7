import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing

struct TrustStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show each role's version, when it ends, and what must be signed again soon.",
        discussion: """
            What the registry says of itself. With --output json the bins of each namespace are listed too.

            Example: martlet trust status
            """)
    @OptionGroup var options: GlobalOptions

    /// Roles with their warnings, as programs read them.
    private struct Answer: Encodable {
        struct Role: Encodable {
            let role: String
            let version: Int64
            let expires: Timestamp?
        }

        let roles: [Role]
        let warnings: [MetadataRoles.Warning]
    }

    func run() async throws {
        let status = try await options.session().get(OperatorRoutes.status, as: RegistryStatus.self)
        let roles = MetadataRoles(status)
        let warnings = roles.warnings(now: systemClock())
        let answer = Answer(
            roles: status.metadataVersions.sorted { $0.key < $1.key }
                .map { .init(role: $0.key, version: $0.value, expires: status.metadataExpiries[$0.key]) },
            warnings: warnings)
        try options.printer.show(answer) { _ in
            var table = Table(heads: ["role", "version", "bins", "ends"])
            table.rows = roles.groups.map {
                [$0.name, String($0.version), $0.isNamespace ? String($0.bins) : "-", $0.ends.description]
            }
            table.whenEmpty = "the registry has no root yet; run `martlet trust init`"
            return table
        }
        for warning in warnings { options.printer.note(warning.text) }
    }
}
