private import Dispatch
internal import GRDB
internal import Synchronization

/// Reads of many requests, each with a snapshot of its own, on as many threads as there are connections that read.
///
/// A thread that is at work takes the next read by itself: under load nobody is woken for one. GRDB's own asynchronous
/// reads hop between queues several times each, which cost a busy registry more than the reads themselves.
final class ReadTurns: Sendable {
    private typealias Turn = @Sendable (DatabasePool) -> Void

    private struct State {
        /// What waits, from `next` on.
        var waiting: [Turn] = []
        var next = 0
        /// Queues on which nothing runs.
        var idle: [DispatchQueue]

        mutating func take() -> Turn? {
            guard next < waiting.count else { return nil }
            let turn = waiting[next]
            next += 1
            // Taking each from the front of a long array would move all of it each time.
            if next == waiting.count || next >= 256 {
                waiting.removeFirst(next)
                next = 0
            }
            return turn
        }
    }

    private let pool: DatabasePool
    private let state: Mutex<State>

    init(pool: DatabasePool, threads: Int) {
        self.pool = pool
        // Serial queues have a thread each when they need one, apart from those of the cooperative pool.
        let queues = (0..<threads).map { DispatchQueue(label: "martlet-registry.read.\($0)") }
        state = Mutex(State(idle: queues))
    }

    /// Runs `body` in a snapshot that begins after the call. A task that is cancelled before throws, later is served.
    func read<Value: Sendable>(_ body: @escaping @Sendable (GRDB.Database) throws -> Value) async throws -> Value {
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
            add { pool in continuation.resume(with: Result { try pool.read(body) }) }
        }
    }

    private func add(_ turn: @escaping Turn) {
        let queue = state.withLock { state in
            state.waiting.append(turn)
            return state.idle.popLast()
        }
        queue?.async { self.work(queue) }
    }

    private func work(_ queue: DispatchQueue?) {
        while let turn = take(handingBack: queue) { turn(pool) }
    }

    /// The next read; where there is none the queue is idle again.
    private func take(handingBack queue: DispatchQueue?) -> Turn? {
        state.withLock { state in
            if let turn = state.take() { return turn }
            if let queue { state.idle.append(queue) }
            return nil
        }
    }
}
