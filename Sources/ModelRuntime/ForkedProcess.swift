internal import CProcess
internal import Glibc
internal import MartletTypes
internal import Synchronization

/// A child of the agent. Dies with the agent, even when that is killed.
package final class ForkedProcess: RuntimeProcess {
    private struct State {
        var exit: EngineExit?
        var isOutputOpen = true
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<EngineExit, Never>] = [:]
    }

    package let pid: Int32
    /// Which layers of confinement took effect.
    package let applied: Confinement.Applied
    private let child: Child
    private let log: EngineLog
    private let state = Mutex(State())

    /// Takes over a child; `output` is the readable end of its output.
    init(child: Child, log: EngineLog, output: Int32, thread: ProcessThread) {
        self.child = child
        self.log = log
        pid = child.pid
        applied = child.applied
        // Both watchers hold the process until its end, so that it is reaped even when nobody else knows it any more.
        thread.watch(output) {
            guard !log.take(from: output) else { return .keep }
            self.state.withLock { $0.isOutputOpen = false }
            close(output)
            return .stop
        }
        thread.watch(child.descriptor) {
            guard let reason = child.reap() else { return .keep }
            // What it said last may still be in the pipe, whose watcher may come after this one.
            if self.state.withLock({ $0.isOutputOpen }) { _ = log.take(from: output) }
            self.ended(reason)
            return .stop
        }
    }

    package func waitForExit() async -> EngineExit {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known: EngineExit? = state.withLock { state in
                    if let exit = state.exit { return exit }
                    if Task.isCancelled { return EngineExit(.unobserved) }
                    state.waiters[waiter] = continuation
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume(returning: EngineExit(.unobserved))
        }
    }

    package func terminate(grace: Duration) async -> EngineExit {
        send(SIGTERM)
        let first = await withTaskGroup(of: EngineExit.self) { group in
            group.addTask { await self.waitForExit() }
            group.addTask {
                // A cancelled sleep cuts the grace short, which is what the caller of a cancelled task wants.
                try? await Task.sleep(for: grace)
                return EngineExit(.unobserved)
            }
            let first = await group.next() ?? EngineExit(.unobserved)
            group.cancelAll()
            return first
        }
        guard first.reason == .unobserved else { return first }
        send(SIGKILL)
        return await exitWithoutCancellation()
    }

    package func memory() -> EngineMemory? {
        guard state.withLock({ $0.exit == nil }) else { return nil }
        return EngineMemory(
            status: ProcFile.text("/proc/\(pid)/status"), rollup: ProcFile.text("/proc/\(pid)/smaps_rollup"))
    }

    private func send(_ signal: Int32) {
        state.withLock { state in
            guard state.exit == nil else { return }
            _ = cprocess_signal(child.descriptor, signal)
        }
    }

    private func exitWithoutCancellation() async -> EngineExit {
        await withCheckedContinuation { continuation in
            let known: EngineExit? = state.withLock { state in
                if let exit = state.exit { return exit }
                state.nextWaiter += 1
                state.waiters[state.nextWaiter] = continuation
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    private func ended(_ reason: EngineExit.Reason) {
        let exit = EngineExit(reason, logTail: log.tail)
        let waiters = state.withLock { state in
            state.exit = exit
            close(child.descriptor)
            let waiters = state.waiters.values
            state.waiters = [:]
            return Array(waiters)
        }
        for waiter in waiters { waiter.resume(returning: exit) }
    }
}

extension EngineMemory {
    /// Reads `VmRSS` from the text of `/proc/PID/status` and `Pss` from that of `smaps_rollup`; nil without the first.
    package init?(status: String?, rollup: String?) {
        guard let status, let resident = Self.kibibytes("VmRSS:", in: status) else { return nil }
        self.init(resident: resident, proportional: rollup.flatMap { Self.kibibytes("Pss:", in: $0) })
    }

    private static func kibibytes(_ key: String, in text: String) -> ByteCount? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 3, words[2] == "kB", let value = Int64(words[1]), value <= Int64.max / 1024 else {
                return nil
            }
            return ByteCount(value * 1024)
        }
        return nil
    }
}
