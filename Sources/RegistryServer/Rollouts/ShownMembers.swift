import MartletTypes
import RolloutEngine

/// Which of a rollout's devices an answer holds: all of few, of many those that a person looks for first.
struct ShownMembers {
    /// In the order of the waves.
    let members: [RolloutMember]
    /// How many there are besides.
    let left: Int
    /// Devices whose part came to an end lately.
    let endedLately: Int

    init(_ all: [RolloutMember], now: Timestamp, most: Int = ServerLimits.rolloutDevicesShown) {
        let since = now - ServerLimits.lately
        endedLately = all.count { $0.state.isFinal && $0.state != .superseded && $0.updated >= since }
        guard all.count > most else {
            (members, left) = (all, 0)
            return
        }
        // What failed, newest first, takes half at most; the rest is what has been at work for longest, and after
        // that what changed last.
        let places = all.indices
        let bad = places.filter { Self.needsLook(all[$0]) }.sorted { all[$0].updated > all[$1].updated }
        let work = places.filter { all[$0].isInFlight || all[$0].isRestoring || all[$0].isWaitingForRetry }
            .sorted { all[$0].updated < all[$1].updated }
        var chosen = Set(bad.prefix(max(most / 2, most - work.count)))
        for place in work where chosen.count < most { chosen.insert(place) }
        if chosen.count < most {
            let others = places.filter { !chosen.contains($0) && all[$0].state.isFinal }
                .sorted { (all[$0].updated, $0) > (all[$1].updated, $1) }
            for place in others where chosen.count < most { chosen.insert(place) }
            for place in places where chosen.count < most { chosen.insert(place) }
        }
        members = chosen.sorted().map { all[$0] }
        left = all.count - members.count
    }

    private static func needsLook(_ member: RolloutMember) -> Bool {
        member.hasFailed || member.isRefused || member.state == .unreachable
    }
}
