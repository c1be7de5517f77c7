import ArgumentParser
import MartletAPI

struct Releases: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See releases; block one at once.",
        discussion: """
            Examples:
              martlet releases --repository clinic/triage
              martlet releases show clinic/triage:2.0.0
            """,
        subcommands: [ReleasesList.self, ReleasesShow.self, ReleasesBlock.self, ReleasesUnblock.self],
        defaultSubcommand: ReleasesList.self)
}

extension ReleaseInfo.Variant {
    /// What hardware it needs: `any` where the model says nothing.
    var platform: String { architecture == "unknown/unknown" ? "any" : architecture }
}
