import ArgumentParser
import MartletAPI
import MartletTypes

struct Releases: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See releases; block one at once.",
        discussion: "Example: martlet releases show clinic/triage:2.0.0",
        subcommands: [ReleasesList.self, ReleasesShow.self, ReleasesBlock.self, ReleasesUnblock.self],
        defaultSubcommand: ReleasesList.self)
}

struct ReleasesList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List releases, newest first.")
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
                    release.variants.map { "\($0.quantization) \($0.size)" }.joined(separator: ", "),
                    String(release.devices), release.aliases.map(\.text).joined(separator: ","),
                    release.published.description, String(release.indexDigest.text.prefix(19)),
                ]
            }
            table.whenEmpty = "nothing is published yet; see `martlet publish --help`"
            return table
        }
    }
}

struct ReleasesShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one release whole.")
    @Argument(help: "NAMESPACE/NAME:VERSION or NAMESPACE/NAME@ALIAS.", transform: ReleaseReference.init) var release:
        ReleaseReference
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let info = try await session.get(OperatorRoutes.release, ["path": path.text], as: ReleaseInfo.self)
        try options.printer.show(info) { info in
            var pairs = [
                ("release", info.path.reference), ("kind", info.kind.rawValue), ("state", info.state.rawValue),
                ("index", info.indexDigest.text), ("published", info.published.description),
                ("aliases", info.aliases.map(\.text).joined(separator: ", ")), ("devices", String(info.devices)),
            ]
            if let base = info.base { pairs.append(("adapter of", base.reference)) }
            if let accuracy = info.minAccuracy { pairs.append(("least accuracy", String(accuracy))) }
            for variant in info.variants {
                pairs.append(
                    (
                        "variant", "\(variant.architecture) \(variant.quantization) \(variant.size) \(variant.digest)"
                    ))
            }
            return .facts(pairs)
        }
    }
}

struct ReleasesBlock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "block", abstract: "Offer a release to no device any more, at once; `yank` withdraws it for good.")
    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @Option(help: "Why; stands in the audit log.") var reason: String
    @OptionGroup var options: GlobalOptions

    func run() async throws { try await setBlocked(true, release, reason, options) }
}

struct ReleasesUnblock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unblock", abstract: "Offer a blocked release again.")
    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @Option(help: "Why; stands in the audit log.") var reason: String
    @OptionGroup var options: GlobalOptions

    func run() async throws { try await setBlocked(false, release, reason, options) }
}

private func setBlocked(
    _ blocked: Bool, _ release: ReleaseReference, _ reason: String, _ options: GlobalOptions
) async throws {
    let session = try options.session()
    let path = try await session.resolve(release)
    let request = BlockRequest(path: path, blocked: blocked, reason: reason)
    let info = try await session.send(OperatorRoutes.block, body: request, as: ReleaseInfo.self)
    try options.printer.say(info) { info in
        let running =
            blocked && info.devices > 0
            ? " \(info.devices) devices still run it: `martlet rollback --release \(path.reference)` takes them back."
            : ""
        return "\(path.reference) is \(info.state.rawValue).\(running)"
    }
}
