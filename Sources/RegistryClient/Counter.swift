internal import Synchronization

/// A number that the client's thread adds to and a task reads.
final class Counter: Sendable {
    private let total = Mutex<Int64>(0)

    var value: Int64 { total.withLock { $0 } }

    func add(_ count: Int64) { total.withLock { $0 += count } }
}
