import ArgumentParser
import MartletTypes
import Publishing
import RegistryClient

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a file of `martlet export` into this registry.",
        discussion: """
            Verified as a device would, from the root that this operator trusts to the last byte; then pushed, and \
            published by the signatures that the file brings: no key is needed. The registry must be the same owner's, \
            or have no root yet. A run that was cut off goes on; the same file again changes nothing.

            Example: martlet import triage.tar
            """)

    @Argument(help: "The file.", completion: .file()) var file: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        guard let digest = session.stored.rootDigest else { throw CommandError.noTrustedRoot }
        let importing = BundleImport(
            http: session.http, journal: try UploadJournal(folder: ClientConfiguration.uploadFolder), root: digest,
            folder: ClientConfiguration.uploadFolder, clock: systemClock)
        let file = file
        let summary = try await BundleProgressLine.showing(options.printer) {
            try await importing.run(file, progress: $0)
        }
        try options.printer.say(summary) { summary in
            let published = summary.published.map(\.reference).joined(separator: ", ")
            let sent = "\(ByteCount(summary.bytesSent)) sent."
            let unchanged = summary.unchanged.map(\.reference).joined(separator: ", ")
            let withdrawn = summary.withdrawn.map(\.reference).joined(separator: ", ")
            let parts = [
                published.isEmpty ? "" : "Published \(published).", unchanged.isEmpty ? "" : "Unchanged: \(unchanged).",
                withdrawn.isEmpty ? "" : "Withdrawn by their publishers: \(withdrawn).", sent,
            ]
            return parts.filter { !$0.isEmpty }.joined(separator: " ")
        }
    }
}
