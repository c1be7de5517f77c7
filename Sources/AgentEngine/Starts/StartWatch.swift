package import AgentStore
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Tells a boot loop: an agent that ends again and again soon after its start, whatever ends it.
///
/// In a loop what is committed serves, and no candidate is tried, for one of them may be what ends the agent. That ends
/// by itself when an agent has run for long enough. Starts are counted in the journal and not by the clock, which a box
/// may not have; one that was asked to stop does not count.
package final class StartWatch: Service {
    /// Starts in a row, this one included, of which none before lasted.
    package let starts: Int
    private let journal: Journal
    private let problems: DeviceProblems
    private let calm: Duration
    private let logger: Logger
    private let isWary: Mutex<Bool>

    /// Counts this start. `calm` is how long it must last to be a good one.
    package init(
        journal: Journal, problems: DeviceProblems, logger: Logger, calm: Duration = AgentLimits.calm
    ) async {
        self.journal = journal
        self.problems = problems
        self.calm = calm
        self.logger = logger
        starts = await Self.count(in: journal) + 1
        isWary = Mutex(starts > AgentLimits.startsInLoop)
        await keep(starts)
    }

    /// Why no candidate is tried now; nil where there is no loop.
    package var caution: String? {
        guard isWary.withLock({ $0 }) else { return nil }
        return "The agent ended \(starts - 1) times in a row soon after its start, so no candidate is tried until it "
            + "has run for \(calm)."
    }

    package func run() async throws {
        await problems.noteStarts(caution)
        await cancelWhenGracefulShutdown { await Pause.take(self.calm) }
        guard !Task.isCancelled else { return }
        // Whether it has lasted or was asked to stop: it was not ended by what it did.
        await keep(0)
        if caution != nil, !Task.isShuttingDownGracefully {
            isWary.withLock { $0 = false }
            logger.notice("candidates are tried again")
            await problems.noteStarts(nil)
        }
        // The end of one service would end all.
        do { try await gracefulShutdown() } catch { return }
    }

    private func keep(_ count: Int) async {
        do {
            try await journal.setFact(Self.fact, Array(String(count).utf8))
        } catch {
            // A disk that takes nothing has no candidates either.
            logger.debug("start not counted", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    private static func count(in journal: Journal) async -> Int {
        do {
            return try await journal.fact(fact).flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        } catch {
            return 0
        }
    }

    private static let fact = "starts"
}

extension DeviceProblems {
    /// Notes that the agent is in a boot loop, or that it is not any more.
    func noteStarts(_ caution: String?) async {
        await note(
            caution.map {
                (
                    code: "agentRestarts", message: $0,
                    remedy: "See the agent's and the kernel's log for what ends it: power, memory, or a fault."
                )
            }, about: .starts,
            ended: (code: "agentSteady", message: "The agent has run for a while; candidates are tried again."))
    }

    /// Notes that the system clock cannot be right, or that it can.
    func noteClock(_ distrust: String?) async {
        await note(
            distrust.map {
                (
                    code: "clockUntrusted", message: "\($0) What serves goes on, and nothing is installed.",
                    remedy: "Set the clock, or let the device reach a time server; the agent goes on by itself."
                )
            }, about: .clock, ended: (code: "clockTrusted", message: "The system clock is right again."))
    }
}

/// Tells when the system clock cannot be right, and when it can again.
package struct ClockWatch: Service {
    private let clock: AgentClock
    private let problems: DeviceProblems
    private let interval: Duration

    package init(clock: AgentClock, problems: DeviceProblems, interval: Duration = AgentLimits.clockInterval) {
        self.clock = clock
        self.problems = problems
        self.interval = interval
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var told: String?
            while !Task.isCancelled {
                // The sentence names the time, which goes on: what is wrong is told once.
                let distrust = clock.distrust
                told = distrust == nil ? nil : told ?? distrust
                await problems.noteClock(told)
                await Pause.take(distrust == nil ? interval : min(interval, AgentLimits.wrongClockInterval))
            }
        }
    }
}
