package import MartletTypes

/// Starts engines. Two ways exist, under one behaviour suite: forked children of the agent, and systemd units.
package protocol RuntimeLauncher: Sendable {
    /// Starts an engine and returns when its program runs; it is not ready yet (`EngineClient.waitUntilReady`).
    func launch(_ spec: EngineSpec) async throws(RuntimeError) -> any RuntimeProcess

    /// Ends engines that an earlier run of the agent left behind, and removes their sockets.
    func sweep() async

    /// The same, but for engines with these folders, which the agent will want again and this launcher can adopt.
    func sweep(sparing folders: Set<String>) async

    /// Call before the agent ends and ends its engines.
    func agentStops() async
}

extension RuntimeLauncher {
    package func sweep(sparing folders: Set<String>) async { await sweep() }

    package func agentStops() async {}
}

/// A running engine.
package protocol RuntimeProcess: Sendable {
    /// The process identifier.
    var pid: Int32 { get }

    /// Waits for the end. Any number of tasks may wait. Returns `.unobserved` where the waiting task is cancelled.
    func waitForExit() async -> EngineExit

    /// Asks the engine to end (SIGTERM), after `grace` ends it (SIGKILL), with all that it started. Drain first:
    /// engines cut their open answers. Cancelling the task cuts the grace short; the engine is ended all the same.
    func terminate(grace: Duration) async -> EngineExit

    /// The memory it uses now; nil when it has ended or the kernel does not tell.
    func memory() -> EngineMemory?

    /// How its limits are kept, in words; nil where it has none.
    var limits: String? { get }
}

extension RuntimeProcess {
    package var limits: String? { nil }
}

/// How an engine ended.
package struct EngineExit: Sendable, Hashable, CustomStringConvertible {
    /// The kind of end.
    package enum Reason: Sendable, Hashable {
        /// It exited by itself with this status.
        case exited(Int32)
        /// A signal ended it.
        case signalled(Int32)
        /// The waiting task was cancelled first; the engine may run on.
        case unobserved
    }

    /// Why it ended.
    package let reason: Reason
    /// The end of its log, at most `RuntimeLimits.logTailBytes`.
    package let logTail: String
    /// What stands behind it, where more is known than the signal.
    package var cause: Cause?

    /// What stands behind an end.
    package enum Cause: Sendable, Hashable {
        /// The kernel ended it because it took more memory than this limit.
        case overLimit(ByteCount)
        /// The kernel ended processes because the machine's memory was short, most likely this one too.
        case memoryShort
    }

    package init(_ reason: Reason, logTail: String = "") {
        self.reason = reason
        self.logTail = logTail
    }

    package var description: String {
        switch cause {
        case .overLimit(let limit): return "was ended by the kernel: it took more than its limit of \(limit)"
        case .memoryShort: return "was ended by the kernel, most likely because the machine's memory was short"
        case nil: break
        }
        return switch reason {
        case .exited(let status): "exited with status \(status)"
        case .signalled(let signal): "was ended by signal \(signal)"
        case .unobserved: "was not waited for"
        }
    }
}

/// The memory of a process.
package struct EngineMemory: Sendable, Hashable {
    /// Resident pages, shared ones counted in full.
    package let resident: ByteCount
    /// Resident pages, shared ones divided by their users; nil where the kernel does not tell.
    package let proportional: ByteCount?

    package init(resident: ByteCount, proportional: ByteCount?) {
        self.resident = resident
        self.proportional = proportional
    }
}
