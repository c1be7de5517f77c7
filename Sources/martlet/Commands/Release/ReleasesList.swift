import ArgumentParser
import MartletAPI
import MartletTypes

struct ReleasesList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List releases by repository and version.",
        discussion: "Example: martlet releases list --repository clinic/triage --output json")
    @Option(help: "Only this repository.", transform: RepositoryName.init) var repository: RepositoryName?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let query = repository.map { ["repository": $0.text] } ?? [:]
        let releases = try await options.session().list(OperatorRoutes.releases, of: ReleaseInfo.self, query: query)
        try options.printer.show(releases) { releases in
            var table = Table(heads: [
                "release", "kind", "state", "variants", "devices", "aliases", "published", "index",
            ])
            table.rows = releases.map { release in
                [
                    release.path.reference, release.kind.rawValue, release.state.rawValue,
                    release.variants.map(Self.text).joined(separator: ", "), String(release.devices),
                    release.aliases.isEmpty ? "-" : release.aliases.map(\.text).joined(separator: ","),
                    release.published.description, String(release.indexDigest.text.prefix(19)),
                ]
            }
            table.whenEmpty =
                repository == nil
                ? "nothing is published yet; see `martlet publish --help`" : "nothing is published there yet"
            return table
        }
    }

    private static func text(_ variant: ReleaseInfo.Variant) -> String {
        let platform = variant.platform == "any" ? "" : " for \(variant.platform)"
        return "\(variant.quantization) \(variant.size)\(platform)"
    }
}
