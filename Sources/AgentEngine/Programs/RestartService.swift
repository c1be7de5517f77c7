internal import Logging
internal import MartletTypes
internal import ServiceLifecycle
internal import Synchronization

/// Ends the agent in good order once another of its programs is to run.
final class RestartService: Service {
    private let signal = WakeSignal()
    private let wanted = Mutex(false)

    /// Whether it ended for that.
    var isWanted: Bool { wanted.withLock { $0 } }

    func ring() { signal.ring() }

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            guard await self.signal.wait(), !Task.isCancelled else { return }
            self.wanted.withLock { $0 = true }
            // The step that asked for it is written to the journal meanwhile; a crash here would do no harm.
            try await Task.sleep(for: AgentLimits.restartPause)
        }
    }
}

extension AssignmentSync {
    /// The first answer of the registry is what a program on trial is waited for.
    mutating func watch(_ programs: AgentPrograms, _ logger: Logger) {
        guard let running = programs.running, programs.folder.trial?.program.digest == running else { return }
        firstWait = .zero
        let folder = programs.folder
        answered = {
            do {
                try folder.confirm(running)
            } catch {
                logger.error("program on trial not confirmed", metadata: ["error": "\(ErrorSummary(error).message)"])
            }
        }
    }
}
