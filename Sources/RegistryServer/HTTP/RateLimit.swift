import Glibc
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
            return state.counts[Self.source(address)] ?? 0
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
            let source = Self.source(address)
            state.counts[source, default: 0] += 1
            return state.counts[source] ?? 0
        }
    }

    /// Who counts as one: an IPv4 address, or the /64 of an IPv6 address, of which each subscriber has one at least.
    static func source(_ address: String) -> String {
        var bytes = in6_addr()
        guard inet_pton(AF_INET6, address, &bytes) == 1 else { return address }
        let all = withUnsafeBytes(of: bytes) { Array($0) }
        // An IPv4 address as a listener for both sees it.
        let isMapped = all.prefix(10).allSatisfy { $0 == 0 } && all[10] == 0xff && all[11] == 0xff
        return Hex.encode(isMapped ? all : Array(all.prefix(8)))
    }

    private func roll(_ state: inout State, _ now: Timestamp) {
        // A clock that was set back starts a new window too, rather than a very long one.
        if now - state.windowStart >= window || now < state.windowStart {
            state.windowStart = now
            state.counts.removeAll()
        }
    }
}
