import ArgumentParser

struct AliasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias",
        abstract: "Give a release a movable name, or list those names.",
        discussion: """
            Examples:
              martlet alias
              martlet alias set clinic/triage:2.0.0 stable
            """,
        subcommands: [AliasList.self, AliasSet.self], defaultSubcommand: AliasList.self)
}
