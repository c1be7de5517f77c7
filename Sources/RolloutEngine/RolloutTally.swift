internal import MartletTypes

/// Counts over a rollout's members, so that an event costs the same however many devices there are.
struct RolloutTally: Sendable {
    /// Places by device.
    let index: [DeviceID: Int]
    /// Places at work on the target.
    private(set) var inFlight: Set<Int> = []
    /// Places that failed.
    private(set) var failed: Set<Int> = []
    /// Places on their way back.
    private(set) var restoring: Set<Int> = []
    /// Members that were offered the target.
    private(set) var offered = 0
    /// By wave: the places, the members that are not through, and those that serve the target.
    private(set) var places: [Range<Int>]
    private(set) var open: [Int]
    private(set) var succeeded: [Int]
    /// By wave: no member before this place is pending.
    private(set) var firstPending: [Int]

    init(_ members: [RolloutMember], waveCount: Int) {
        var index: [DeviceID: Int] = [:]
        places = Array(repeating: 0..<0, count: waveCount)
        open = Array(repeating: 0, count: waveCount)
        succeeded = open
        firstPending = open
        for (position, member) in members.enumerated() {
            index[member.device] = position
            let known = places[member.wave]
            places[member.wave] = known.isEmpty ? position..<position + 1 : known.lowerBound..<position + 1
        }
        self.index = index
        firstPending = places.map(\.lowerBound)
        for (position, member) in members.enumerated() { count(member, at: position, 1) }
    }

    mutating func replace(_ before: RolloutMember, by after: RolloutMember, at position: Int) {
        count(before, at: position, -1)
        count(after, at: position, 1)
    }

    mutating func passPending(in wave: Int, to position: Int) { firstPending[wave] = position }

    private mutating func count(_ member: RolloutMember, at position: Int, _ sign: Int) {
        Self.set(&inFlight, position, member.isInFlight, sign)
        Self.set(&failed, position, member.hasFailed, sign)
        Self.set(&restoring, position, member.isRestoring, sign)
        if member.since != nil { offered += sign }
        if !member.state.isFinal { open[member.wave] += sign }
        if member.state == .succeeded { succeeded[member.wave] += sign }
    }

    private static func set(_ places: inout Set<Int>, _ position: Int, _ belongs: Bool, _ sign: Int) {
        guard belongs else { return }
        if sign > 0 { places.insert(position) } else { places.remove(position) }
    }
}
