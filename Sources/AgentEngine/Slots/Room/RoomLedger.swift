package import MartletTypes

/// The engines that have room in memory, and who gets room next: values in, values out.
///
/// Two promises. All that has room, mapped files counted once, stays within the budget; and an engine that became
/// ready is not ended to make room for another before `minResidence` is over, so that two slots that displace one
/// another each get their work done.
package struct RoomLedger: Sendable {
    /// How a slot is used now.
    package struct Usage: Sendable, Hashable {
        /// For how long it has had no request; nil while one is open or waits.
        package var idle: Duration?

        package init(idle: Duration?) { self.idle = idle }
    }

    /// An engine with room.
    package struct Resident: Sendable, Hashable {
        package var claim: RoomClaim
        /// Since when it may be ended for others once `minResidence` is over; nil while it starts.
        package var since: ContinuousClock.Instant?
        /// Whether room is kept for it until others are gone.
        package var isPromised = false
        /// For whom it is being ended.
        package var leavesFor: RoomClaim.Key?
    }

    /// An engine that is to be ended for another.
    package struct Victim: Sendable, Hashable {
        package let key: RoomClaim.Key
        /// Whether it has answers open, which are waited for.
        package let isBusy: Bool

        package init(key: RoomClaim.Key, isBusy: Bool) {
            self.key = key
            self.isBusy = isBusy
        }
    }

    package enum Decision: Sendable, Hashable {
        /// There is room, and it is taken.
        case admitted
        /// These are to be ended first; the room is promised. `settle` says what came of it.
        case displace([Victim])
        /// Not now.
        case wait(RoomRefusal)
    }

    /// What all engines together may take; nil where the device does not know its memory.
    package let budget: ByteCount?
    package let minResidence: Duration
    package private(set) var residents: [RoomClaim.Key: Resident] = [:]
    /// Who waits, in the order they came.
    private var line: [RoomClaim] = []

    package init(budget: ByteCount?, minResidence: Duration) {
        self.budget = budget
        self.minResidence = minResidence
    }

    /// What is taken, or promised, now.
    package var taken: ByteCount { EngineNeed.together(residents.values.map(\.claim.need)) }

    /// Whether an engine has room now without any other's end.
    package func fits(_ need: EngineNeed) -> Bool { fits(need, beside: residents.values.map(\.claim.need)) }

    /// Asks for room. `usage` tells how slots are used now.
    package mutating func claim(
        _ asked: RoomClaim, now: ContinuousClock.Instant, usage: (SlotName) -> Usage
    ) -> Decision {
        var claim = asked
        claim.need = bounded(asked.need)
        if let known = residents[claim.key] {
            guard known.leavesFor != nil else {
                leaveLine(claim.key)
                return .admitted
            }
            joinLine(claim)
            return .wait(RoomRefusal("its engine is being ended", retryAfter: .seconds(1)))
        }
        if fits(claim.need) {
            leaveLine(claim.key)
            residents[claim.key] = Resident(claim: claim)
            return .admitted
        }
        joinLine(claim)
        let fixed = residents.values.filter { !isEverEndable($0, for: claim) }
        guard fits(claim.need, beside: fixed.map(\.claim.need)) else { return .wait(noRoomEver(claim, fixed)) }
        // Nobody waits for it: better that it waits than that it ends the better of two because the lesser still
        // starts.
        if claim.urgency == .standby, residents.values.contains(where: { isStarting($0, for: claim) }) {
            return .wait(refusal(of: claim, now, usage))
        }
        guard isFirst(claim) else { return .wait(RoomRefusal("other slots wait for memory before it")) }
        guard let victims = choose(for: claim, now, usage) else { return .wait(refusal(of: claim, now, usage)) }
        leaveLine(claim.key)
        for victim in victims { residents[victim.key]?.leavesFor = claim.key }
        residents[claim.key] = Resident(claim: claim, isPromised: true)
        return .displace(victims)
    }

    /// What came of ending others for `key`: those that did not go stay, and have their time anew. Returns whether the
    /// room is there.
    package mutating func settle(
        _ key: RoomClaim.Key, stayed: Set<RoomClaim.Key>, now: ContinuousClock.Instant
    ) -> Bool {
        for (other, resident) in residents where resident.leavesFor == key {
            residents[other]?.leavesFor = nil
            if stayed.contains(other) { residents[other]?.since = now }
        }
        guard residents[key] != nil else { return false }
        guard stayed.isEmpty else {
            residents[key] = nil
            return false
        }
        residents[key]?.isPromised = false
        return true
    }

    /// An engine is ready: its time begins.
    package mutating func ready(_ key: RoomClaim.Key, now: ContinuousClock.Instant) { residents[key]?.since = now }

    /// What started as a candidate, or as what shall serve, is something else from now on.
    package mutating func change(_ key: RoomClaim.Key, urgency: EngineUrgency) {
        residents[key]?.claim.urgency = urgency
    }

    /// An engine is gone, or is not to be started any more.
    package mutating func leave(_ key: RoomClaim.Key) {
        residents[key] = nil
        leaveLine(key)
    }

    /// Whoever asked does not ask any more.
    package mutating func giveUp(_ key: RoomClaim.Key) { leaveLine(key) }

    // MARK: Whom to end

    /// The fewest that make room, those that are missed least first; nil where those that may go now are not enough.
    private func choose(
        for claim: RoomClaim, _ now: ContinuousClock.Instant, _ usage: (SlotName) -> Usage
    ) -> [Victim]? {
        let able = residents.values.filter { isEndable($0, for: claim, now, usage) }
        let order = able.sorted { isMissedLess($0, $1, usage) }
        var kept = residents.values.map(\.claim)
        var chosen: [Resident] = []
        for resident in order {
            if fits(claim.need, beside: kept.map(\.need)) { break }
            kept.removeAll { $0.key == resident.claim.key }
            chosen.append(resident)
        }
        guard fits(claim.need, beside: kept.map(\.need)) else { return nil }
        // One that was chosen early may not be needed any more: who is missed most gets the chance first.
        for resident in chosen.reversed() where fits(claim.need, beside: kept.map(\.need) + [resident.claim.need]) {
            kept.append(resident.claim)
            chosen.removeAll { $0.claim.key == resident.claim.key }
        }
        return chosen.map { Victim(key: $0.claim.key, isBusy: usage($0.claim.key.slot).idle == nil) }
    }

    private func isEndable(
        _ resident: Resident, for claim: RoomClaim, _ now: ContinuousClock.Instant, _ usage: (SlotName) -> Usage
    ) -> Bool {
        guard isEverEndable(resident, for: claim), !resident.isPromised, resident.leavesFor == nil,
            let since = resident.since
        else { return false }
        let isDue = now - since >= minResidence
        let isBusy = usage(resident.claim.key.slot).idle == nil && resident.claim.urgency != .candidate
        switch claim.urgency {
        case .candidate: return isDue && !isBusy && resident.claim.urgency != .candidate
        case .standby: return !isBusy && (isDue || resident.claim.urgency != .candidate)
        case .demand:
            if claim.standing.isPinned { return true }
            return isDue && (!isBusy || resident.claim.standing.priority <= claim.standing.priority)
        }
    }

    private func isStarting(_ resident: Resident, for claim: RoomClaim) -> Bool {
        resident.since == nil && isEverEndable(resident, for: claim)
    }

    /// Whether time and rest could ever let it go for `claim`.
    private func isEverEndable(_ resident: Resident, for claim: RoomClaim) -> Bool {
        let isCandidate = resident.claim.urgency == .candidate
        if resident.claim.key.slot == claim.key.slot { return isCandidate && claim.urgency != .candidate }
        guard !resident.claim.standing.isPinned || isCandidate else { return false }
        return claim.urgency != .standby || claim.standing.isPinned
            || resident.claim.standing.priority < claim.standing.priority
    }

    /// Idle before busy, then low before high priority, then the longest unused; names make the order total.
    private func isMissedLess(_ left: Resident, _ right: Resident, _ usage: (SlotName) -> Usage) -> Bool {
        let idle = (usage(left.claim.key.slot).idle, usage(right.claim.key.slot).idle)
        if (idle.0 == nil) != (idle.1 == nil) { return idle.0 != nil }
        let priority = (left.claim.standing.priority, right.claim.standing.priority)
        if priority.0 != priority.1 { return priority.0 < priority.1 }
        if let first = idle.0, let second = idle.1, first != second { return first > second }
        let key = (left.claim.key, right.claim.key)
        return key.0.slot == key.1.slot ? key.0.generation < key.1.generation : key.0.slot < key.1.slot
    }

    // MARK: Room

    private func fits(_ need: EngineNeed, beside others: [EngineNeed]) -> Bool {
        guard let budget else { return true }
        return EngineNeed.together(others + [need]) <= budget
    }

    /// What served here yesterday is not refused for a new estimate: it then has the whole budget to itself.
    private func bounded(_ need: EngineNeed) -> EngineNeed {
        guard let budget, need.total > budget else { return need }
        return EngineNeed(own: budget)
    }

    // MARK: Who waits

    private mutating func joinLine(_ claim: RoomClaim) {
        if !line.contains(where: { $0.key == claim.key }) { line.append(claim) }
    }

    private mutating func leaveLine(_ key: RoomClaim.Key) { line.removeAll { $0.key == key } }

    /// Requests before what nobody waits for, then the higher priority, then who came first.
    private func isFirst(_ claim: RoomClaim) -> Bool {
        func rank(_ claim: RoomClaim) -> (Int, Int) {
            (claim.urgency == .demand ? 1 : 0, claim.standing.priority)
        }
        let best = line.map(rank).max { $0 < $1 }
        return line.first { rank($0) == best ?? (0, 0) }?.key == claim.key
    }

    // MARK: Words

    private func noRoomEver(_ claim: RoomClaim, _ fixed: [Resident]) -> RoomRefusal {
        let pinned = fixed.filter { $0.claim.standing.isPinned && $0.claim.key.slot != claim.key.slot }
        let isFinal = !fits(claim.need, beside: pinned.map(\.claim.need))
        let names = Self.names(isFinal ? pinned : fixed)
        return RoomRefusal(
            "it needs \(claim.need.total) of the \(budget ?? .zero) that models may take here, and \(names) "
                + (isFinal ? "always runs" : "has them"),
            isFinal: isFinal)
    }

    private static func names(_ residents: [Resident]) -> String {
        Set(residents.map(\.claim.key.slot)).sorted().map(\.text).joined(separator: ", ")
    }

    private func refusal(
        of claim: RoomClaim, _ now: ContinuousClock.Instant, _ usage: (SlotName) -> Usage
    ) -> RoomRefusal {
        let others = residents.values.filter { isEverEndable($0, for: claim) }
        let names = Self.names(others)
        let rest = others.compactMap(\.since).map { minResidence - (now - $0) }.filter { $0 > .zero }.min()
        let isBusy = others.contains { usage($0.claim.key.slot).idle == nil }
        return RoomRefusal(
            "memory is with \(names), which \(isBusy ? "has requests" : "was started a moment ago")",
            retryAfter: rest, isBrief: others.contains { $0.since == nil })
    }
}
