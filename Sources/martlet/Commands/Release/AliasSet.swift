import ArgumentParser
import MartletAPI
import MartletTypes

struct AliasSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Point an alias at a release, from wherever it pointed before.",
        discussion: """
            Examples:
              martlet alias set clinic/triage:2.0.0 stable
              martlet alias set clinic/triage@candidate stable
            """)
    @Argument(help: "NAMESPACE/NAME:VERSION or NAMESPACE/NAME@ALIAS.", transform: ReleaseReference.init)
    var release: ReleaseReference
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
