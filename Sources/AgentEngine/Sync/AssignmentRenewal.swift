internal import AgentStore
internal import MartletTypes

/// When the assignment that was accepted is asked for anew.
///
/// The registry sends a number once, signed for a day, and a device that has it asks for those above. An installation
/// may take longer to begin or to end: it waits for its window, for room, or the box was off. Then the device asks as
/// if it did not have the number yet, and gets it signed anew. Devices whose slots came to rest never do: a fleet at
/// rest costs its registry nothing.
struct AssignmentRenewal: Sendable {
    /// Where this device stands among others whose assignments end at the same moment.
    private let share: Double
    private var askedAt: ContinuousClock.Instant?

    /// `random` is between 0 and 1.
    init(random: Double) { share = min(max(random, 0), 1) }

    /// Whether to ask now. `isTakenUp` is false while the slots may not have heard of the number that was accepted
    /// last.
    func isDue(
        _ slots: [SlotRecord], isTakenUp: Bool, now: Timestamp, at instant: ContinuousClock.Instant = .now
    ) -> Bool {
        if let askedAt, instant - askedAt < AgentLimits.renewalPause { return false }
        return !isTakenUp || slots.contains { needs($0, now) }
    }

    /// The registry answered, whatever it said: it is not asked again at once.
    mutating func asked(at instant: ContinuousClock.Instant = .now) { askedAt = instant }

    private func needs(_ record: SlotRecord, _ now: Timestamp) -> Bool {
        // What was decided on the box is no assignment's.
        guard let target = record.target, record.override == nil,
            record.phase.isUnderWay || record.phase.isWaiting
        else { return false }
        let half = AgentLimits.assignmentRenewal / 2
        return target.expires - now < half + half * share
    }
}
