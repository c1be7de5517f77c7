package import MartletTypes
internal import TUF

/// Withdraws a release: its publisher takes the signature back, so that no device installs it any more.
package struct Yank: Sendable {
    private let context: PublisherContext

    package init(context: PublisherContext) { self.context = context }

    /// Withdraws `release`; throws `unknownRelease` where it is not published.
    package func run(
        _ release: ReleasePath, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws {
        let editor = BinEditor(context: context, progress: progress)
        _ = try await editor.apply(.remove(path: release.text)) { found in
            guard found != nil else {
                throw PublishError(
                    .unknownRelease, "\(release.reference) is not published, or was withdrawn before.",
                    remedy: "`martlet releases` lists what is published.")
            }
            return false
        }
    }
}
