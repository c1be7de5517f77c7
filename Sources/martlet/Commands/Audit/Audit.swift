import ArgumentParser

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See who changed what, and check that nobody changed that afterwards.",
        discussion: """
            Examples:
              martlet audit --limit 20
              martlet audit verify
              martlet audit export --to audit.jsonl
            """,
        subcommands: [AuditList.self, AuditVerify.self, AuditExport.self], defaultSubcommand: AuditList.self)
}
