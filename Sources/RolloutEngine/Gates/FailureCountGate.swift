internal import MartletTypes

/// Fails when more devices have failed than the policy allows.
struct FailureCountGate: RolloutGate {
    func verdict(over evidence: GateEvidence) -> GateVerdict {
        let fresh = evidence.failed.count - evidence.acceptedFailures
        guard fresh > evidence.policy.maxFailures else { return .passed }
        let accepted = evidence.acceptedFailures > 0 ? " (\(evidence.acceptedFailures) were accepted)" : ""
        return .failed(
            "\(evidence.failed.count) of \(Phrase.devices(evidence.offered)) failed\(accepted), "
                + "\(evidence.policy.maxFailures) allowed: \(Phrase.causes(evidence.failed))")
    }
}
