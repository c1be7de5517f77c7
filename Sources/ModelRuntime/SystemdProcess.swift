internal import CProcess
internal import Glibc
internal import MartletTypes

/// An engine that runs as a unit of systemd's. It outlives the agent.
package final class SystemdProcess: RuntimeProcess {
    /// 0 where it ended before anyone could ask for it.
    package let pid: Int32
    /// The unit's name.
    package let unit: String
    package let limits: String?
    private let memoryLimit: ByteCount?
    private let group: String
    private let log: EngineLog
    private let units: SystemdUnits
    private let isLeft: @Sendable () -> Bool
    /// Opened when the process is gone; why, systemd is asked afterwards.
    private let gone = ExitLatch<Bool>()
    private let verdict: Verdict
    private let hasOutput = ExitLatch<Bool>()

    /// `descriptor` is the process's, -1 where it has ended already; `output` the readable end of what it prints, or
    /// -1; both are taken over. `isLeft` says whether engines are left running, `ended` is called when this one ended.
    init(
        unit: String, state: SystemdUnits.State, limits: EngineLimits, descriptor: Int32, output: Int32,
        log: EngineLog, units: SystemdUnits, thread: ProcessThread, isLeft: @escaping @Sendable () -> Bool,
        ended: @escaping @Sendable () -> Void
    ) {
        self.unit = unit
        self.limits = limits.isEmpty ? nil : "\(limits.text) (unit)"
        memoryLimit = limits.memory
        pid = state.pid
        group = state.group
        self.log = log
        self.units = units
        self.isLeft = isLeft
        verdict = Verdict(unit: unit, pid: state.pid, units: units)
        guard descriptor >= 0 else {
            if output >= 0 {
                _ = log.take(from: output)
                close(output)
            }
            ended()
            gone.open(true)
            return
        }
        if output >= 0 {
            thread.watch(output) {
                guard !log.take(from: output) else { return .keep }
                self.hasOutput.open(false)
                close(output)
                return .stop
            }
        } else {
            hasOutput.open(false)
        }
        thread.watch(descriptor) {
            // What it said last may still be in the pipe, whose watcher may come after this one.
            if self.hasOutput.value == nil { _ = log.take(from: output) }
            close(descriptor)
            ended()
            self.gone.open(true)
            return .stop
        }
    }

    package func waitForExit() async -> EngineExit {
        guard await gone.wait() != nil else { return EngineExit(.unobserved) }
        return await exit()
    }

    package func terminate(grace: Duration) async -> EngineExit {
        // The next agent adopts it.
        if isLeft() { return EngineExit(.unobserved) }
        guard await send(SIGTERM) else { return EngineExit(.unobserved) }
        if await gone.wait(atMost: grace) == nil {
            guard await send(SIGKILL) else { return EngineExit(.unobserved) }
            _ = await gone.waitUncancelled()
        }
        return await exit()
    }

    private func exit() async -> EngineExit {
        let end = await verdict.end()
        var exit = EngineExit(end.reason, logTail: log.tail)
        if end.isOutOfMemory { exit.cause = memoryLimit.map { .overLimit($0) } ?? .memoryShort }
        return exit
    }

    package func memory() -> EngineMemory? {
        guard gone.value == nil else { return nil }
        // Its own pages where this user may see them, else what its control group is charged for.
        if let memory = EngineMemory(
            status: ProcFile.text("/proc/\(pid)/status"), rollup: ProcFile.text("/proc/\(pid)/smaps_rollup"))
        {
            return memory
        }
        let text = ProcFile.text("/sys/fs/cgroup\(group)/memory.current")
        let bytes = text.flatMap { Int64($0.prefix { $0 != "\n" }) }
        return bytes.map { EngineMemory(resident: ByteCount($0), proportional: nil) }
    }

    /// False where nobody takes the order and the process still runs.
    private func send(_ signal: Int32) async -> Bool {
        do throws(RuntimeError) {
            try await units.kill(unit, signal)
            return true
        } catch {
            // It may have ended meanwhile, which systemd refuses to kill.
            return gone.value != nil || Glibc.kill(pid, signal) == 0
        }
    }
}

/// Why a unit's process ended, asked once.
private actor Verdict {
    private let unit: String
    private let pid: Int32
    private let units: SystemdUnits
    private var known: End?

    struct End: Sendable {
        var reason: EngineExit.Reason
        var isOutOfMemory = false
    }

    init(unit: String, pid: Int32, units: SystemdUnits) {
        self.unit = unit
        self.pid = pid
        self.units = units
    }

    func end() async -> End {
        if let known { return known }
        let asked = await ask()
        if let known { return known }
        known = asked
        do throws(RuntimeError) {
            try await units.forget(unit)
        } catch {
            // One that ended well is forgotten already.
            return asked
        }
        return asked
    }

    private func ask() async -> End {
        for _ in 0..<RuntimeLimits.verdictAttempts {
            do throws(RuntimeError) {
                let state = try await units.state(unit)
                if state.pid != pid || state.pid == 0 {
                    // systemd forgets a unit that ended well at once.
                    return End(reason: state.end ?? .exited(0), isOutOfMemory: state.isOutOfMemory)
                }
            } catch {
                return End(reason: .exited(-1))
            }
            // The kernel tells us first; nothing tells when systemd has noticed too.
            do {
                try await Task.sleep(for: .milliseconds(RuntimeLimits.verdictPauseMilliseconds))
            } catch {
                await Task.yield()
            }
        }
        return End(reason: .exited(-1))
    }
}

extension RuntimeLimits {
    /// How often systemd is asked why a process ended, until it has noticed.
    static let verdictAttempts = 100
    /// Between two of these questions.
    static let verdictPauseMilliseconds = 20
}
