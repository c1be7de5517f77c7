import MartletTypes
import Synchronization

/// Lets an address offer so many wrong tokens, then none at all for a while.
///
/// Tokens that were right before go on working from everywhere: behind a proxy or one address of a site, who guesses
/// must not lock out who works.
final class AuthenticationLimit: Sendable {
    private let failures: RateLimit
    /// Hashes of tokens that were right; those that ended are found out by the look-up that follows.
    private let known = Mutex<Set<Digest>>([])

    init(clock: @escaping Clock) {
        failures = RateLimit(limit: ServerLimits.wrongTokens, window: ServerLimits.loginWindow, clock: clock)
    }

    /// Throws 429 `tooManyRequests` where the address has used up its attempts and the token is none that was right.
    func check(_ address: String, _ token: Digest) throws {
        guard !known.withLock({ $0.contains(token) }) else { return }
        try failures.check(address)
    }

    func succeeded(_ token: Digest) {
        known.withLock { known in
            // More than there are operators: whoever is forgotten waits a minute at worst.
            if known.count >= ServerLimits.sessions { known.removeAll() }
            known.insert(token)
        }
    }

    func failed(_ address: String, _ token: Digest) {
        known.withLock { _ = $0.remove(token) }
        failures.add(address)
    }
}
