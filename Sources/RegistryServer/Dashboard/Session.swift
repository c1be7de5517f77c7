import MartletTypes
import Synchronization

/// Sessions of the dashboard: an unguessable cookie stands for a token. They are kept in memory and end with the
/// process.
final class Sessions: Sendable {
    private struct Session {
        let secret: String
        let ends: Timestamp
    }

    static let cookie = "martlet_session"

    private let clock: Clock
    private let sessions = Mutex<[Digest: Session]>([:])

    init(clock: @escaping Clock) { self.clock = clock }

    /// Opens a session for a token's secret that was just checked; returns the cookie's value.
    func open(secret: String) -> String {
        var generator = SystemRandomNumberGenerator()
        let value = Hex.encode((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        let now = clock()
        sessions.withLock { sessions in
            sessions = sessions.filter { $0.value.ends > now }
            if sessions.count >= ServerLimits.sessions, let oldest = sessions.min(by: { $0.value.ends < $1.value.ends })
            {
                sessions[oldest.key] = nil
            }
            sessions[Digest.of(Array(value.utf8))] = Session(secret: secret, ends: now + ServerLimits.sessionLife)
        }
        return value
    }

    /// The token's secret behind a cookie; the caller checks it again, since the token may be gone. Looked up by hash,
    /// so that the time of the look-up tells nothing of the value.
    func secret(for cookie: String) -> String? {
        let now = clock()
        return sessions.withLock { $0[Digest.of(Array(cookie.utf8))] }.flatMap { $0.ends > now ? $0.secret : nil }
    }

    func close(_ cookie: String) {
        sessions.withLock { $0[Digest.of(Array(cookie.utf8))] = nil }
    }

    /// The session's value among the cookies of a request.
    static func value(in header: String?) -> String? {
        guard let header else { return nil }
        for pair in header.split(separator: ";") {
            let halves = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            if halves.count == 2, halves[0] == cookie { return String(halves[1]) }
        }
        return nil
    }
}
