package import AgentStore
package import Logging
internal import MartletAPI
internal import ServiceLifecycle

/// Sends the reports that wait in the journal, in order and at least once: the registry drops what it has.
///
/// Whoever adds reports rings `wake` once they are in the journal; they leave at once.
package struct ReportSender: Service {
    /// To be rung after reports were added.
    package let wake: WakeSignal
    private let journal: Journal
    private let peer: any UplinkPeer
    private let random: @Sendable () -> Double
    private let logger: Logger

    package init(
        journal: Journal, peer: any UplinkPeer, wake: WakeSignal = WakeSignal(),
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }, logger: Logger
    ) {
        self.journal = journal
        self.peer = peer
        self.wake = wake
        self.random = random
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var queue = ReportQueue()
            while !Task.isCancelled {
                if let pause = await sendAll(&queue) {
                    // Rings shorten the wait for a registry that is away, but do not hammer on it.
                    await Pause.take(min(pause, AgentLimits.firstPause))
                    await wake.wait(for: max(.zero, pause - AgentLimits.firstPause))
                } else {
                    await wake.wait()
                }
            }
        }
    }

    /// Sends until nothing waits; returns how long to pause where something still does.
    func sendAll(_ queue: inout ReportQueue) async -> Duration? {
        while !Task.isCancelled {
            do {
                let waiting = try await journal.reports(limit: queue.limit)
                guard !waiting.isEmpty else { return nil }
                let load = queue.load(waiting, journal: journal.identity)
                for sequence in load.unreadable {
                    logger.error("a report cannot be read and is dropped", metadata: ["sequence": "\(sequence)"])
                }
                if !load.batch.reports.isEmpty {
                    if let pause = try await send(load, &queue) { return pause }
                } else {
                    try await journal.dropReports(through: load.through)
                }
            } catch {
                // The journal itself failed: a full disk may be freed.
                logger.error("reports cannot be taken from the journal", metadata: ["error": "\(error)"])
                return AgentLimits.longestPause
            }
        }
        return nil
    }

    /// Sends one load; returns a pause where it is to be tried again later.
    private func send(_ load: ReportQueue.Load, _ queue: inout ReportQueue) async throws -> Duration? {
        do {
            try queue.confirmed(try await peer.report(load.batch), load)
        } catch {
            if Task.isCancelled { return .zero }
            let summary = ErrorSummary(error)
            switch queue.refused(error, load, random: random()) {
            case .wait(let pause):
                // A box may be offline for a month: the first failure is news, the others are not.
                logger.log(
                    level: queue.failures == 1 ? .warning : .debug, "reports not sent",
                    metadata: ["error": "\(summary.message)", "again": "\(Pause.text(pause))"])
                return pause
            case .split:
                return nil
            case .drop(let sequence):
                logger.error(
                    "the registry refuses a report; it is dropped",
                    metadata: ["sequence": "\(sequence)", "error": "\(summary.message)"])
                try await journal.dropReports(through: sequence)
                return nil
            }
        }
        try await journal.dropReports(through: load.through)
        return nil
    }
}
