internal import CProcess
internal import Glibc
internal import MartletTypes
internal import Synchronization

/// A child of the agent. Dies with the agent, even when that is killed.
package final class ForkedProcess: RuntimeProcess {
    private struct State {
        var isOutputOpen = true
        /// The child's descriptor is closed then, and its number another file's.
        var isReaped = false
    }

    package let pid: Int32
    /// Which layers of confinement took effect.
    package let applied: Confinement.Applied
    private let child: Child
    private let log: EngineLog
    private let state = Mutex(State())
    private let gone = ExitLatch<EngineExit>()

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

    package func waitForExit() async -> EngineExit { await gone.wait() ?? EngineExit(.unobserved) }

    package func terminate(grace: Duration) async -> EngineExit {
        send(SIGTERM)
        if let exit = await gone.wait(atMost: grace) { return exit }
        send(SIGKILL)
        return await gone.waitUncancelled()
    }

    package func memory() -> EngineMemory? {
        guard gone.value == nil else { return nil }
        return EngineMemory(
            status: ProcFile.text("/proc/\(pid)/status"), rollup: ProcFile.text("/proc/\(pid)/smaps_rollup"))
    }

    private func send(_ signal: Int32) {
        state.withLock { state in
            guard !state.isReaped else { return }
            _ = cprocess_signal(child.descriptor, signal)
        }
    }

    private func ended(_ reason: EngineExit.Reason) {
        state.withLock { state in
            state.isReaped = true
            close(child.descriptor)
        }
        gone.open(EngineExit(reason, logTail: log.tail))
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
