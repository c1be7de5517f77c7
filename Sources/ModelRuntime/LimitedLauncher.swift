internal import CProcess
internal import Glibc
internal import MartletTypes
internal import Synchronization

/// Keeps each engine within its limits: in a control group of its own where the agent's is delegated, else by what a
/// process can be limited to without one. Which of the two it is, the engine says (`RuntimeProcess.limits`).
package struct LimitedLauncher: RuntimeLauncher {
    private let base: any RuntimeLauncher
    /// The groups, or why there are none.
    private let groups: Result<ControlGroups, ControlGroups.Missing>
    /// Where the kernel counts the processes that it ended for memory.
    private let statistics: String

    package init(
        _ base: any RuntimeLauncher, groups: Result<ControlGroups, ControlGroups.Missing>,
        statistics: String = "/proc/vmstat"
    ) {
        self.base = base
        self.groups = groups
        self.statistics = statistics
    }

    /// How limits are kept on this device, in words.
    package var method: String {
        switch groups {
        case .success: "control groups"
        case .failure(let missing): "niceness and RLIMIT_DATA only: \(missing.reason)"
        }
    }

    package func launch(_ spec: EngineSpec) async throws(RuntimeError) -> any RuntimeProcess {
        let kills = machineKills()
        let process = try await base.launch(spec)
        let kept = keep(spec, process.pid)
        return LimitedProcess(process, words: kept.words) { reason in
            defer { kept.end() }
            // Only a kill can be the kernel's.
            guard reason == .signalled(SIGKILL) else { return nil }
            if kept.kills() > 0 { return spec.limits.memory.map { .overLimit($0) } ?? .memoryShort }
            return machineKills() > kills ? .memoryShort : nil
        }
    }

    package func sweep() async { await base.sweep() }

    private struct Kept: Sendable {
        var words: String?
        var kills: @Sendable () -> Int = { 0 }
        var end: @Sendable () -> Void = {}
    }

    /// Without a limit an engine has a group all the same: its memory is then accounted for by itself.
    private func keep(_ spec: EngineSpec, _ pid: Int32) -> Kept {
        let limits = spec.limits
        switch groups {
        case .success(let groups):
            do throws(ControlGroups.Missing) {
                let leaf = try groups.put(pid, slot: spec.slot, generation: spec.generation, limits: limits)
                return Kept(
                    words: limits.isEmpty ? nil : "\(limits.text) (control group)",
                    kills: { groups.outOfMemoryKills(leaf) }, end: { groups.remove(leaf) })
            } catch {
                return Kept(words: limits.isEmpty ? nil : Self.limitAlone(limits, pid, error.reason))
            }
        case .failure(let missing):
            return Kept(words: limits.isEmpty ? nil : Self.limitAlone(limits, pid, missing.reason))
        }
    }

    /// The memory that an engine writes to; mapped weights do not count there (getrlimit(2), RLIMIT_DATA).
    private static func limitAlone(_ limits: EngineLimits, _ pid: Int32, _ reason: String) -> String {
        var words: [String] = []
        if let memory = limits.memory {
            let isSet = cprocess_limit_data(pid, UInt64(max(0, memory.bytes))) == 0
            words.append(isSet ? "memory \(memory) without mapped weights (RLIMIT_DATA)" : "memory is not limited")
        }
        if limits.cpuPercent != nil { words.append("processor time is not limited") }
        return words.joined(separator: ", ") + ": \(reason)"
    }

    private func machineKills() -> Int {
        ControlGroups.count("oom_kill", in: ProcFile.text(statistics) ?? "")
    }
}

/// An engine within limits.
private final class LimitedProcess: RuntimeProcess {
    private struct State {
        var isSettled = false
        var cause: EngineExit.Cause?
    }

    private let base: any RuntimeProcess
    let limits: String?
    private let settle: @Sendable (EngineExit.Reason) -> EngineExit.Cause?
    private let state = Mutex(State())

    /// `settle` is called once, at the end: it tells what stood behind it and cleans up.
    init(
        _ base: any RuntimeProcess, words: String?,
        settle: @escaping @Sendable (EngineExit.Reason) -> EngineExit.Cause?
    ) {
        self.base = base
        limits = words
        self.settle = settle
    }

    var pid: Int32 { base.pid }

    func waitForExit() async -> EngineExit { told(await base.waitForExit()) }

    func terminate(grace: Duration) async -> EngineExit { told(await base.terminate(grace: grace)) }

    func memory() -> EngineMemory? { base.memory() }

    private func told(_ exit: EngineExit) -> EngineExit {
        guard exit.reason != .unobserved else { return exit }
        var exit = exit
        exit.cause = state.withLock { state in
            if !state.isSettled {
                state.isSettled = true
                state.cause = settle(exit.reason)
            }
            return state.cause
        }
        return exit
    }
}
