internal import CProcess
internal import Glibc
internal import Synchronization

/// The one thread from which children are forked and on which their ends and their output are noticed.
///
/// The kernel's parent-death signal follows the *thread* that forked, so this thread lives as long as the process; that
/// is why there is one for all. It sleeps in `poll` and wakes only when something happened.
final class ProcessThread: Sendable {
    /// What a watcher wants after it was called.
    enum Verdict { case keep, stop }

    /// Called on the thread when its descriptor is readable or closed by the other side.
    typealias Watcher = @Sendable () -> Verdict

    /// A watcher that can be taken out and put back. A bare closure would be wrapped anew at each passage through the
    /// generic `withLock`, and calling it would take longer, and more stack, each time.
    private struct Watching {
        let call: Watcher
    }

    private struct State {
        var work: [@Sendable () -> Void] = []
        var watchers: [Int32: Watching] = [:]
    }

    /// The thread of this process; nil where the kernel has no room for a pipe or a thread.
    static let shared: ProcessThread? = ProcessThread()

    private let state = Mutex(State())
    private let wakeRead: Int32
    private let wakeWrite: Int32

    private init?() {
        var ends: (Int32, Int32) = (-1, -1)
        guard cprocess_pipe(&ends.0, &ends.1) == 0 else { return nil }
        (wakeRead, wakeWrite) = ends
        var thread = pthread_t()
        // The thread never ends, so the reference it holds is never given back.
        let reference = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ProcessThread>.fromOpaque(argument).takeUnretainedValue().loop()
            }, reference.toOpaque())
        guard status == 0 else {
            reference.release()
            close(ends.0)
            close(ends.1)
            return nil
        }
        pthread_detach(thread)
    }

    /// Runs `work` on the thread and returns what it returns.
    func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            state.withLock { $0.work.append { continuation.resume(returning: work()) } }
            wake()
        }
    }

    /// Calls `watcher` whenever `descriptor` is readable, until it says `.stop`. The watcher closes the descriptor.
    func watch(_ descriptor: Int32, _ watcher: @escaping Watcher) {
        state.withLock { $0.watchers[descriptor] = Watching(call: watcher) }
        wake()
    }

    /// Calls no watcher of `descriptor` any more. Called on the thread, before the descriptor is closed.
    func stopWatching(_ descriptor: Int32) {
        _ = state.withLock { $0.watchers.removeValue(forKey: descriptor) }
    }

    private func wake() {
        var byte: UInt8 = 0
        // A full pipe holds enough wake-ups already; the write end blocks only then, and the loop empties it.
        _ = write(wakeWrite, &byte, 1)
    }

    private func loop() -> Never {
        while true {
            var polled = [pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0)]
            state.withLock { state in
                polled += state.watchers.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            }
            guard poll(&polled, nfds_t(polled.count), -1) > 0 else { continue }
            if polled[0].revents != 0 { emptyWakePipe() }
            for entry in polled.dropFirst() where entry.revents != 0 {
                guard let watcher = state.withLock({ $0.watchers[entry.fd] }) else { continue }
                // Taken out before the call: the watcher may close the number, and a new child may get it.
                _ = state.withLock { $0.watchers.removeValue(forKey: entry.fd) }
                if watcher.call() == .keep { state.withLock { $0.watchers[entry.fd] = watcher } }
            }
            let work = state.withLock { state in
                let work = state.work
                state.work = []
                return work
            }
            for piece in work { piece() }
        }
    }

    private func emptyWakePipe() {
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(wakeRead, &bytes, bytes.count) == bytes.count {}
    }
}
