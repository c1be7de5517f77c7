/// Transfers of one client that wait until they may receive more: all together keep to one speed, and some to one of
/// their own.
///
/// Belongs to the loop's thread. What waits stays with the connection, and so with the peer, but for a buffer. Who has
/// waited longest goes first, and keeps its place until it got something.
final class ReceiveQueue {
    private struct Waiting {
        let easy: UnsafeMutableRawPointer
        /// Nil once the transfer was told to go on.
        var due: Duration?
    }

    private var shared = ReceivePace(from: .zero)
    private var own: [UnsafeMutableRawPointer: ReceivePace] = [:]
    private var waiting: [Waiting] = []
    private let start = ContinuousClock.now

    private var now: Duration { ContinuousClock.now - start }

    /// Whether a transfer may take a piece of its body; where not, it is in the queue.
    func admits(_ bytes: Int, of easy: UnsafeMutableRawPointer, at speed: DownloadSpeed) -> Bool {
        let now = now
        var time = Duration.zero
        if let limit = speed.shared { time = shared.wait(for: bytes, speed: limit, at: now) }
        if let limit = speed.own {
            let pace = own[easy] ?? ReceivePace(from: now)
            own[easy] = pace
            time = max(time, pace.wait(for: bytes, speed: limit, at: now))
        }
        guard time == .zero else {
            wait(easy, until: now + time)
            return false
        }
        waiting.removeAll { $0.easy == easy }
        count(bytes, speed.shared)
        if let limit = speed.own { own[easy]?.take(bytes, speed: limit, at: now) }
        return true
    }

    /// Counts what goes through at once: what waits pays for it.
    func count(_ bytes: Int, _ speed: Int64?) {
        if let speed { shared.take(bytes, speed: speed, at: now) }
    }

    private func wait(_ easy: UnsafeMutableRawPointer, until due: Duration) {
        if let place = waiting.firstIndex(where: { $0.easy == easy }) {
            waiting[place].due = due
        } else {
            waiting.append(Waiting(easy: easy, due: due))
        }
    }

    /// The transfer that may try to go on; nil where it is nobody's turn.
    func next() -> UnsafeMutableRawPointer? {
        let now = now
        guard let place = waiting.firstIndex(where: { $0.due.map { $0 <= now } ?? false }) else { return nil }
        waiting[place].due = nil
        return waiting[place].easy
    }

    /// Forgets a transfer that has ended.
    func leave(_ easy: UnsafeMutableRawPointer) {
        waiting.removeAll { $0.easy == easy }
        own[easy] = nil
    }

    /// Milliseconds until it is somebody's turn; nil where nobody waits.
    var milliseconds: Int? {
        waiting.compactMap(\.due).min().map { max(.zero, $0 - now).wholeMilliseconds + 1 }
    }
}
