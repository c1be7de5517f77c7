internal import ModelRuntime
internal import ServiceLifecycle

/// Keeps the agent small: what only its start and its installations ran is let go of.
package struct Footprint: Service {
    /// After the start has settled.
    private static let first = Duration.seconds(5)
    /// Rarely enough that nobody notices the pages that come back.
    private static let interval = Duration.seconds(900)

    package init() {}

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Pause.take(Self.first)
            while !Task.isCancelled {
                guard CodePages.release() else { return }
                await Pause.take(Self.interval)
            }
        }
    }
}
