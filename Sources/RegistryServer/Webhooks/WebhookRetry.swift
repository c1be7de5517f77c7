import MartletTypes
import RegistryStore

/// How an attempt to deliver ended.
enum WebhookOutcome: Sendable, Hashable {
    /// 2xx.
    case accepted(Int64)
    /// 410: the endpoint wants nothing any more.
    case gone
    /// Any other status, and the pause that the answer asks for.
    case refused(Int64, retryAfter: Duration?)
    /// No answer came.
    case failed(String)
}

/// What follows from an attempt: pure, from the outcome, the clock and a random number.
struct WebhookRetry: Sendable {
    let configuration: WebhookConfiguration

    /// What is written.
    struct Decision: Sendable, Hashable {
        var state: DeliveryState
        var nextAttempt: Timestamp
        var status: Int64?
        var error: String?
        /// Nothing is sent to the endpoint before; nil after a success.
        var restUntil: Timestamp?
        /// Why the endpoint is disabled at once.
        var disables: String?
    }

    /// The pause after attempt `number` (from 1): three times the former one, at most `ServerLimits.webhookPause`, and
    /// up to a fifth more or less, so that deliveries that failed together do not come back together. `random` is from
    /// 0 to 1.
    func pause(after number: Int64, random: Double) -> Duration {
        var pause = configuration.firstPause
        for _ in 1..<max(1, number) where pause < ServerLimits.webhookPause { pause *= 3 }
        pause = min(pause, ServerLimits.webhookPause)
        let permille = 800 + Int64((400 * min(max(random, 0), 1)).rounded())
        return pause * permille / 1000
    }

    /// What follows where `attempts` were made before this one and `failures` attempts at the endpoint in a row failed
    /// before it.
    func decision(
        _ outcome: WebhookOutcome, attempts: Int64, failures: Int64, random: Double, now: Timestamp
    ) -> Decision {
        var decision = Decision(state: .pending, nextAttempt: now)
        var asked = Duration.zero
        switch outcome {
        case .accepted(let status):
            decision.state = .delivered
            decision.status = status
            return decision
        case .gone:
            decision.state = .dead
            decision.status = 410
            decision.error = "the endpoint answered 410 Gone"
            decision.disables = "it answered 410 Gone"
            decision.restUntil = now
            return decision
        case .refused(let status, let retryAfter):
            decision.status = status
            decision.error = Self.words(status)
            asked = min(max(retryAfter ?? .zero, .zero), ServerLimits.webhookRetryAfter)
        case .failed(let why): decision.error = why
        }
        // The endpoint rests less long than the delivery: another one may be to its taste.
        let rest = min(pause(after: min(failures + 1, 40), random: random), ServerLimits.webhookRest)
        decision.restUntil = now + max(rest, asked)
        if attempts + 1 >= configuration.attempts {
            decision.state = .dead
        } else {
            decision.nextAttempt = now + max(pause(after: attempts + 1, random: random), asked)
        }
        return decision
    }

    private static func words(_ status: Int64) -> String {
        (300..<400).contains(status)
            ? "the endpoint answered \(status); redirects are not followed" : "the endpoint answered \(status)"
    }
}
