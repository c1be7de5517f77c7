/// The names of the fields, by the mapping in which they stand; `docs/formats/rollout-policy.md` describes each.
package enum PolicyFields {
    static let file = [
        "target", "membership", "order", "waves", "soak", "maxFailures", "thresholds", "gates", "maxInFlight", "rate",
        "deadline", "retry", "conditions", "shadow", "onFailure",
    ]
    static let target = ["fleet", "selector", "slot"]
    static let wave = ["size", "selector", "soak", "confirm"]
    static let rate = ["perMinute", "growth", "growAfter", "maxPerMinute"]
    static let retry = ["attempts", "backoff", "maxBackoff", "causes"]
    static let threshold = ["outcomes", "causes", "maxShare", "minCompleted", "confidence", "onFailure"]
    static let gate = [
        "metric", "max", "min", "baseline", "minDevices", "minSamples", "interval", "failureLimit",
        "inconclusiveLimit", "onFailure",
    ]
    static let baseline = ["tolerance", "confidence"]
    static let conditions = ["windows", "idle", "onMains", "belowCelsius", "jitter", "bandwidth"]
    static let shadow = ["share", "comparison", "minSimilarity", "samples", "maxTime", "minAgreement"]

    /// Every field by the section of the document that describes it.
    package static let all: [(section: String, fields: [String])] = [
        ("The file", file), ("target", target), ("waves", wave), ("rate", rate), ("retry", retry),
        ("thresholds", threshold), ("gates", gate), ("baseline", baseline), ("conditions", conditions),
        ("shadow", shadow),
    ]
}
