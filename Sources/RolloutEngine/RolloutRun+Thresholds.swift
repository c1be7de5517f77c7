internal import MartletTypes

/// Counts of how devices came out, against what the policy allows.
extension RolloutRun {
    /// Whether the failures so far are allowed; does what follows where they are not.
    mutating func keepsThresholds() -> Bool {
        let policy = header.policy
        if let allowed = policy.maxFailures, tally.failed.count - header.acceptedFailures > allowed {
            fail(.tooManyFailures, failuresSentence(allowed), then: nil)
            return false
        }
        for (index, threshold) in policy.thresholds.enumerated() {
            guard let figures = crossed(threshold, accepted: header.acceptedShares[index]) else { continue }
            fail(.thresholdCrossed, figures.sentence, figures, then: threshold.onFailure)
            return false
        }
        return true
    }

    private func failuresSentence(_ allowed: Int) -> String {
        let failed = tally.failed.sorted().map { members[$0] }
        let accepted = header.acceptedFailures > 0 ? " (\(header.acceptedFailures) were accepted)" : ""
        return "\(failed.count) of \(Phrase.devices(tally.offered)) failed\(accepted), \(allowed) allowed: "
            + Phrase.causes(failed)
    }

    /// Devices that came out as `threshold` counts, and those that came out at all. Devices of which nothing is known
    /// (unreachable, refused) are in neither number unless the threshold names them.
    func share(_ threshold: FailureThreshold) -> AcceptedShare {
        let outcomes = tally.outcomes
        var share = AcceptedShare()
        let tried: Set<RolloutOutcome> = [.succeeded, .failed, .timedOut]
        for outcome in tried.union(threshold.outcomes) { share.completed += outcomes[outcome] ?? 0 }
        for outcome in Set(threshold.outcomes) {
            if outcome == .failed, !threshold.causes.isEmpty {
                share.count += Set(threshold.causes).reduce(0) { $0 + (tally.causes[$1] ?? 0) }
            } else {
                share.count += outcomes[outcome] ?? 0
            }
        }
        return share
    }

    private func crossed(_ threshold: FailureThreshold, accepted: AcceptedShare) -> GateFigures? {
        let all = share(threshold)
        let count = max(0, all.count - accepted.count)
        let completed = max(count, all.completed - accepted.completed)
        guard completed >= max(1, threshold.minCompleted), count > 0 else { return nil }
        let share = Share(count: Double(count), total: Double(completed))
        let bounds = share.interval(z: Normal.quantile(threshold.confidence))
        guard bounds.low > threshold.maxShare else { return nil }
        let (low, allowed) = Phrase.numbers(bounds.low * 100, threshold.maxShare * 100)
        let words = threshold.outcomes.map(\.rawValue).joined(separator: " or ")
        let causes = threshold.causes.isEmpty ? "" : " (\(threshold.causes.joined(separator: ", ")))"
        let found = members(with: threshold)
        var figures = GateFigures(
            gate: .failureRate, verdict: .failed, method: .wilson,
            sentence: "\(count) of \(completed) completed devices \(words)\(causes): \(Phrase.percent(share.value)), "
                + "at least \(low) % with \(Phrase.percent(threshold.confidence)) confidence > \(allowed) % allowed: "
                + Phrase.causes(found))
        figures.value = share.value
        figures.bound = threshold.maxShare
        figures.low = bounds.low
        figures.high = bounds.high
        figures.devices = completed
        figures.worst = found.prefix(RolloutLimits.devicesNamed).map(\.device)
        return figures
    }

    /// Asked once, when a threshold was crossed.
    private func members(with threshold: FailureThreshold) -> [RolloutMember] {
        members.filter { member in
            guard let outcome = member.outcome, threshold.outcomes.contains(outcome) else { return false }
            return outcome != .failed || threshold.causes.isEmpty || threshold.causes.contains(member.code ?? "")
        }
    }
}
