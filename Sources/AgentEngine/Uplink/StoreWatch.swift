package import AgentStore
package import Logging
internal import ServiceLifecycle

/// Tells when the data folder takes no writes, and goes on writing as soon as it does again.
///
/// Idle while all is well: what failed to be written wakes it.
package struct StoreWatch: Service {
    private let store: AgentStore
    private let problems: DeviceProblems
    private let interval: Duration
    private let logger: Logger
    private let resumed: @Sendable () async -> Void
    private let signal = WakeSignal()

    /// `interval` passes between two looks at a disk that takes nothing; `resumed` is called after it does again.
    package init(
        store: AgentStore, problems: DeviceProblems, interval: Duration = AgentLimits.storeInterval, logger: Logger,
        resumed: @escaping @Sendable () async -> Void = {}
    ) {
        self.store = store
        self.problems = problems
        self.interval = interval
        self.logger = logger
        self.resumed = resumed
    }

    package func run() async throws {
        let signal = signal
        store.health.observe { signal.ring() }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if store.health.isSuspended { await tryAgain() }
                // After the end of a suspension: its report is the first that the journal takes.
                await problems.noteStore(store.health.trouble)
                await signal.wait(for: store.health.isSuspended ? interval : nil)
            }
        }
    }

    private func tryAgain() async {
        do {
            let leftovers = try await store.resume()
            logger.notice("the data folder takes writes again")
            logger.tell(leftovers: leftovers)
            await resumed()
        } catch {
            logger.debug("the data folder takes no writes", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }
}

extension Logger {
    /// Tells of what an interrupted step left in the data folder and could not be removed.
    func tell(leftovers error: AgentStoreError?) {
        guard let error else { return }
        warning("generations not collected", metadata: ["error": "\(error.message)"])
    }
}

extension AgentLimits {
    /// Time between two looks at a disk that took no writes at the start.
    package static let storeInterval = Duration.seconds(5)
}
