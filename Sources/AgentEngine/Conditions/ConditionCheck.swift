internal import MartletTypes

/// Whether a device may begin an installation now.
struct ConditionCheck {
    /// What follows.
    enum Verdict: Sendable, Hashable {
        case begin
        /// Not yet: for what, the same words as long as it is the same, and when to look again.
        case wait(String, until: Timestamp)
    }

    let conditions: UpdateConditions
    /// This device's own share of the spread over the fleet.
    let notBefore: Timestamp?

    /// The first of all conditions that is not met is named: time, then power, then heat.
    func verdict(_ now: Timestamp, _ surroundings: Surroundings) -> Verdict {
        let latest = now + AgentLimits.longestLook
        if let notBefore, notBefore > now {
            return .wait("It begins at \(notBefore): a fleet's devices are spread.", until: min(notBefore, latest))
        }
        if let opening = nextOpening(now, surroundings) {
            return .wait(opening.reason, until: min(opening.time, latest))
        }
        let soon = now + AgentLimits.conditionInterval
        if conditions.onMains, !surroundings.isOnMains {
            return .wait("It must run on mains power.", until: soon)
        }
        if let bound = conditions.belowCelsius, let celsius = surroundings.celsius, celsius >= Double(bound) {
            return .wait("Its warmest zone must be below \(bound) °C.", until: soon)
        }
        return .begin
    }

    /// Nil where a window is open, or none is demanded.
    private func nextOpening(_ now: Timestamp, _ surroundings: Surroundings) -> (reason: String, time: Timestamp)? {
        let calendar = WindowCalendar(offset: surroundings.offset)
        let windows = conditions.windows.prefix(Limits.rolloutPolicyParts)
        guard !windows.isEmpty, !windows.contains(where: { calendar.isOpen($0, at: now) }) else { return nil }
        guard let next = windows.compactMap({ calendar.nextOpening($0, after: now) }).min() else {
            return ("None of its maintenance windows ever opens.", .distantFuture)
        }
        let local = Timestamp(seconds: next.seconds + surroundings.offset(next)).description
        // Without the Z: it is the time on the device's own clock.
        let wall = local.dropLast().prefix(16).map { $0 == "T" ? " " : $0 }
        return ("Its maintenance window opens at \(String(wall)), its own time.", next)
    }
}

extension Timestamp {
    fileprivate static let distantFuture = Timestamp(seconds: 253_370_764_800)
}
