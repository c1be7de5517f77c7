import ArgumentParser
import MartletTypes

struct ReleasesUnblock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unblock", abstract: "Offer a blocked release again.",
        discussion: "Example: martlet releases unblock clinic/triage:3.0.0 --reason 'false alarm'")
    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @Option(help: "Why; stands in the audit log.") var reason: String
    @OptionGroup var options: GlobalOptions

    func run() async throws { try await ReleasesBlock.set(false, release, reason, options) }
}
