internal import MartletTypes

/// Codes that the engine itself gives to a device's state; all others come from the device.
package enum RolloutCode {
    /// Heard of, but not done within the deadline.
    package static let timedOut = "timedOut"
    /// Not heard of within the deadline.
    package static let silent = "silent"
    /// Revoked or deleted.
    package static let deviceGone = "deviceGone"
    /// Its turn had not come when the rollout ended.
    package static let rolloutEnded = "rolloutEnded"
    /// A newer rollout or a person moved its slot.
    package static let superseded = "superseded"
    /// Told to go back, and not heard of within the deadline.
    package static let restoreUnconfirmed = "restoreUnconfirmed"
    /// A person holds the device out of rollouts.
    package static let held = "held"
    /// A person pinned this slot of the device.
    package static let pinned = "pinned"

    /// Codes by which a device says that its own policy, its owner or a floor does not allow the target.
    package static let refusals: Set<String> = ["policyRefused", "overrideHolds", "belowFloor", "yanked", "blocked"]

    /// Codes by which a device says that the release itself is bad there: another attempt would find the same.
    package static let ofRelease: Set<String> = [
        "probeFailed", "evaluationFailed", "shadowDisagreed", "invalidEvaluationSet", "malformedWeights",
        "targetMismatch", "baseMismatch", "unsupportedKind", "emptyAssignment", "engineExited", "noVariantFits",
        "weightCheckFailed", "engineRefused", "invalidProbes",
    ]

    /// Whether a device that failed so is tried again. Giving up on a device that is away, or that was too slow, is
    /// not a failure to retry unless the policy names it: the target stays assigned, and it catches up by itself.
    static func isWorthRetrying(_ code: String?, _ retry: RolloutRetry) -> Bool {
        guard let code else { return retry.causes.isEmpty }
        if !retry.causes.isEmpty { return retry.causes.contains(code) }
        return !ofRelease.contains(code) && !refusals.contains(code) && code != timedOut && code != silent
    }
}
