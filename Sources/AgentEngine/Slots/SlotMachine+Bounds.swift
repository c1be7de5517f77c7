internal import AgentStore
internal import MartletTypes
internal import Trust

/// What keeps an installation from going on for ever, and a box that ends again and again from trying it.
extension SlotMachine {
    /// No installation goes round in circles: what should end in a few steps and does not is given up.
    mutating func bound(
        from phase: SlotPhase, _ event: SlotEvent, _ now: Timestamp, _ random: Double, _ step: inout SlotStep
    ) {
        // A start of the agent begins the try anew; how often that may be is counted by itself.
        guard record.phase.isUnderWay, event != .started else { return record.moves = nil }
        guard record.phase != phase else { return }
        let moves = (record.moves ?? 0) + 1
        record.moves = moves
        guard moves > limits.transitions else { return }
        let message = "The installation passed through \(moves) phases and came to no end."
        step.actions.removeAll(where: \.isOfInstallation)
        fail(SlotFailure(.final, code: "tooManyTransitions", message: message), now, random, &step)
        record.moves = nil
    }

    /// Whether it is the slot in which the agent itself stands.
    var isOfAgent: Bool { record.slot == SlotName.agent }

    /// An agent in a boot loop leaves candidates alone: one of them may be what ends it.
    mutating func isHeldBack(_ now: Timestamp, _ random: Double, _ step: inout SlotStep) -> Bool {
        guard let caution else { return false }
        fail(SlotFailure(.retry, code: SlotFailure.restarts, message: caution), now, random, &step)
        return true
    }

    /// A clock that was set back meanwhile makes no pause longer than the longest, nor a soak than it was to be.
    mutating func boundRetry(_ now: Timestamp) {
        // What was held back for the agent's sake goes on as soon as that is over.
        if caution == nil, record.failedTry?.code == SlotFailure.restarts { record.retryAt = now }
        // What waited for the clock is woken when that is right: whoever set it does not wait for a pause to end.
        if record.failedTry?.code == SlotFailure.clock { record.retryAt = now }
        let longest = record.pauseMilliseconds.map { Duration.milliseconds($0) } ?? limits.longestRetry
        record.retryAt = min(record.retryAt ?? now, now + longest)
    }

    mutating func soaked(_ now: Timestamp, _ step: inout SlotStep) {
        if let ends = record.soakEnds, ends > now {
            let latest = now + .seconds(max(0, record.target?.assignment.update.soakSeconds ?? 0))
            record.soakEnds = min(ends, latest)
            step.actions.append(.wake(min(ends, latest)))
        }
        commitIfProven(now, &step)
    }
}
