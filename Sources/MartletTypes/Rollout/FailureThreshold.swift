/// How a device's part in a rollout came out.
package enum RolloutOutcome: String, Sendable, Codable, CaseIterable {
    /// It serves the target.
    case succeeded
    /// It tried and does not serve it; the cause is a stable code.
    case failed
    /// It was heard of and did not finish within its deadline.
    case timedOut
    /// It was not heard of within its deadline.
    case unreachable
    /// Its own policy, its owner or a floor does not allow the target.
    case refused
    /// The target does not concern it: no variant fits, it was held out, it is gone.
    case skipped
}

/// The share of completed devices that may come out in one of some ways.
///
/// Only devices whose part is over are counted, so that a box that is switched off stalls nothing. The threshold is
/// crossed when the lower bound of Wilson's score interval of the share exceeds `maxShare` (Wilson 1927).
package struct FailureThreshold: Sendable, Hashable, Codable {
    /// The outcomes that it counts.
    package var outcomes: [RolloutOutcome]
    /// Of `failed` only these causes, e.g. `evaluationFailed`; empty counts all.
    package var causes: [String]
    /// The share that is allowed, 0 to 1.
    package var maxShare: Double
    /// Completed devices before it is judged at all.
    package var minCompleted: Int
    /// Confidence of the bound, 0.5 to 0.999; 0.5 compares the share itself.
    package var confidence: Double
    /// What follows; nil takes the policy's.
    package var onFailure: RolloutPolicy.OnFailure?

    package init(
        outcomes: [RolloutOutcome] = [.failed, .timedOut], causes: [String] = [], maxShare: Double,
        minCompleted: Int = 5, confidence: Double = 0.9, onFailure: RolloutPolicy.OnFailure? = nil
    ) {
        self.outcomes = outcomes
        self.causes = causes
        self.maxShare = maxShare
        self.minCompleted = minCompleted
        self.confidence = confidence
        self.onFailure = onFailure
    }
}
