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
        /// Tells it from others that get the same number of a descriptor later.
        let turn: UInt64
    }

    private struct State {
        var work: [@Sendable () -> Void] = []
        var watchers: [Int32: Watching] = [:]
        var turns: UInt64 = 0
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
        state.withLock { state in
            state.turns += 1
            state.watchers[descriptor] = Watching(call: watcher, turn: state.turns)
        }
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
            let watched = state.withLock { $0.watchers.map { (descriptor: $0.key, turn: $0.value.turn) } }
            var polled = [pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0)]
            polled += watched.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, nfds_t(polled.count), -1) > 0 else { continue }
            if polled[0].revents != 0 { emptyWakePipe() }
            for (entry, asked) in zip(polled.dropFirst(), watched) where entry.revents != 0 {
                guard let watcher = take(asked.descriptor, asked.turn) else { continue }
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

    /// Takes out whom the answer about a descriptor is for, before he is called: he may close the number, and a new
    /// child may get it. Nil where a watcher that was called meanwhile has closed it, whoever has the number now.
    private func take(_ descriptor: Int32, _ turn: UInt64) -> Watching? {
        state.withLock { state in
            guard state.watchers[descriptor]?.turn == turn else { return nil }
            return state.watchers.removeValue(forKey: descriptor)
        }
    }

    private func emptyWakePipe() {
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(wakeRead, &bytes, bytes.count) == bytes.count {}
    }
}
