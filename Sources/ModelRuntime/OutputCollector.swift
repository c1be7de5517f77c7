internal import CProcess
internal import Glibc
internal import Synchronization

/// Runs a short program to its end and keeps what it prints.
enum OutputCollector {
    /// When a program is ended that does not end by itself.
    struct Bounds {
        var seconds = RuntimeLimits.probeSeconds
        /// What is kept of its output and error.
        var bytes = RuntimeLimits.probeBytes
        /// Whether one that prints more is ended; otherwise the rest is passed over.
        var endsTalkers = false
        /// Whether it is ended as soon as nobody wants its answer any more; what it said then is worth nothing.
        var endsWhenCancelled = false
    }

    /// What a program printed, and how it ended.
    struct Outcome {
        var text: String
        var end: EngineExit.Reason
        /// It printed more than was kept.
        var isCut: Bool
        /// Its time was over.
        var isOverdue: Bool
    }

    private struct State {
        var bytes: [UInt8] = []
        var isCut = false
        var isOverdue = false
    }

    private final class Box: Sendable {
        let state = Mutex(State())
        let end = ExitLatch<EngineExit.Reason>()
        let limit: Int

        init(limit: Int) { self.limit = limit }

        /// Takes what the pipe holds; returns false where its other end is closed.
        func take(from output: Int32) -> Bool {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(output, &buffer, buffer.count)
                guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
                state.withLock { state in
                    let room = limit - state.bytes.count
                    state.bytes += buffer[..<min(count, room)]
                    if count > room { state.isCut = true }
                }
            }
        }

        var isCut: Bool { state.withLock { $0.isCut } }
    }

    /// Output and error of the program, at most `RuntimeLimits.probeBytes`; killed after `seconds`.
    static func run(
        _ plan: ChildPlan, on thread: ProcessThread, _ bounds: Bounds = Bounds()
    ) async throws(RuntimeError) -> String {
        try await collect(plan, on: thread, bounds).text
    }

    /// The same with how it ended.
    static func collect(
        _ plan: ChildPlan, on thread: ProcessThread, _ bounds: Bounds = Bounds()
    ) async throws(RuntimeError) -> Outcome {
        let box = Box(limit: bounds.bytes)
        let started = await thread.run { start(plan, on: thread, into: box, endsTalkers: bounds.endsTalkers) }
        guard case .success(let child) = started else {
            guard case .failure(let failure) = started else {
                return Outcome(text: "", end: .unobserved, isCut: false, isOverdue: false)
            }
            throw RuntimeError(
                failure.isConfinement ? .confinementUnavailable : .engineNotStarted,
                "\(plan.path) could not be run: \(failure.text).")
        }
        let watchdog = Task {
            try await Task.sleep(for: .seconds(bounds.seconds))
            box.state.withLock { $0.isOverdue = true }
            _ = cprocess_signal(child.descriptor, SIGKILL)
        }
        let reason = await withTaskCancellationHandler {
            await box.end.waitUncancelled()
        } onCancel: {
            // The handler is not called any more once the wait is over, and the descriptor is open until then.
            if bounds.endsWhenCancelled { _ = cprocess_signal(child.descriptor, SIGKILL) }
        }
        watchdog.cancel()
        _ = await watchdog.result
        close(child.descriptor)
        return box.state.withLock {
            Outcome(
                text: String(decoding: $0.bytes, as: UTF8.self), end: reason, isCut: $0.isCut, isOverdue: $0.isOverdue)
        }
    }

    private static func start(
        _ plan: ChildPlan, on thread: ProcessThread, into box: Box, endsTalkers: Bool
    ) -> Result<Child, Child.Failure> {
        var ends: (Int32, Int32) = (-1, -1)
        guard cprocess_pipe(&ends.0, &ends.1) == 0 else {
            return .failure(.init(step: Int32(CPROCESS_STEP_PIPE), error: errno))
        }
        let output = ends.0
        let result = Child.start(plan, output: ends.1)
        close(ends.1)
        guard case .success(let child) = result else {
            close(output)
            return result
        }
        // While it runs: a pipe that is full would hold up who prints more than it takes.
        thread.watch(output) {
            guard box.take(from: output) else { return .stop }
            if endsTalkers, box.isCut { _ = cprocess_signal(child.descriptor, SIGKILL) }
            return .keep
        }
        thread.watch(child.descriptor) {
            guard let reason = child.reap() else { return .keep }
            thread.stopWatching(output)
            _ = box.take(from: output)
            close(output)
            box.end.open(reason)
            return .stop
        }
        return result
    }
}
