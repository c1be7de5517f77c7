internal import AgentStore
package import Logging
package import MartletTypes
internal import ServiceLifecycle

/// Tells the launcher that the program which runs is none that ends again and again: it has run for a while and its
/// parts answer, or somebody asked it to stop.
package struct SteadyWatch: Service {
    private let folder: ProgramFolder
    private let program: Digest
    private let calm: Duration
    private let logger: Logger
    private let isAlive: @Sendable () async -> Void

    /// `isAlive` comes back while the agent works, and does not where it is stuck.
    package init(
        folder: ProgramFolder, program: Digest, calm: Duration = AgentLimits.steadyMinute, logger: Logger,
        isAlive: @escaping @Sendable () async -> Void
    ) {
        self.folder = folder
        self.program = program
        self.calm = calm
        self.logger = logger
        self.isAlive = isAlive
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Pause.take(calm)
            if !Task.isCancelled { await isAlive() }
        }
        // Cancelled by the end of another service, which is no good end.
        guard !Task.isCancelled else { return }
        do {
            try folder.forgetStarts(of: program)
        } catch {
            logger.warning("starts not forgotten", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
        // The end of one service would end all.
        do { try await gracefulShutdown() } catch { return }
    }
}
