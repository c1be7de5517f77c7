import MartletTypes
import Synchronization

/// Counts attempts by address in windows of fixed length.
final class RateLimit: Sendable {
    private struct State {
        var windowStart = Timestamp(milliseconds: 0)
        var counts: [String: Int] = [:]
    }

    private let limit: Int
    private let window: Duration
    private let clock: Clock
    private let state = Mutex(State())

    init(limit: Int, window: Duration, clock: @escaping Clock) {
        self.limit = limit
        self.window = window
        self.clock = clock
    }

    /// Counts one attempt; throws 429 `tooManyRequests` beyond the limit.
    func spend(_ address: String) throws {
        guard add(address) <= limit else {
            throw ServerError(
                429, "tooManyRequests", "Too many attempts from \(address).", remedy: "Wait a minute, then try again.")
        }
    }

    /// Throws where the limit is used up, without counting.
    func check(_ address: String) throws {
        let now = clock()
        let count = state.withLock { state in
            roll(&state, now)
            return state.counts[address] ?? 0
        }
        guard count < limit else {
            throw ServerError(
                429, "tooManyRequests", "Too many attempts from \(address).", remedy: "Wait a minute, then try again.")
        }
    }

    /// Counts one attempt and returns how many there were.
    @discardableResult
    func add(_ address: String) -> Int {
        let now = clock()
        return state.withLock { state in
            roll(&state, now)
            if state.counts.count >= ServerLimits.rateLimitedAddresses { state.counts.removeAll() }
            state.counts[address, default: 0] += 1
            return state.counts[address] ?? 0
        }
    }

    private func roll(_ state: inout State, _ now: Timestamp) {
        // A clock that was set back starts a new window too, rather than a very long one.
        if now - state.windowStart >= window || now < state.windowStart {
            state.windowStart = now
            state.counts.removeAll()
        }
    }
}
