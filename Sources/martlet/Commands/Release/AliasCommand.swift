import ArgumentParser
import MartletAPI
import MartletTypes

struct AliasCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias",
        abstract: "Give a release a movable name, or list those names.",
        discussion: "Example: martlet alias set clinic/triage:2.0.0 stable",
        subcommands: [AliasList.self, AliasSet.self], defaultSubcommand: AliasList.self)
}

struct AliasList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List aliases.")
    @Option(help: "Only this repository.", transform: RepositoryName.init) var repository: RepositoryName?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let query = repository.map { ["repository": $0.text] } ?? [:]
        let aliases = try await options.session().list(OperatorRoutes.aliases, of: Alias.self, query: query)
        try options.printer.show(aliases) { aliases in
            var table = Table(heads: ["alias", "release"])
            table.rows = aliases.map { ["\($0.repository)@\($0.name)", "\($0.repository):\($0.version)"] }
            return table
        }
    }
}

struct AliasSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "set", abstract: "Point an alias at a release.")
    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @Argument(help: "The alias, e.g. stable.", transform: AliasName.init) var alias: AliasName
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let body = Alias(repository: path.repository, name: alias, version: path.version)
        let answer = try await session.send(OperatorRoutes.putAlias, body: body, as: Alias.self)
        try options.printer.say(answer) { "\($0.repository)@\($0.name) is \($0.repository):\($0.version)." }
    }
}
