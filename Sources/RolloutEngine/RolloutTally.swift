internal import MartletTypes

/// Counts over a rollout's members, so that an event costs the same however many devices there are.
struct RolloutTally: Sendable {
    /// Places by device.
    private(set) var index: [DeviceID: Int32] = [:]
    /// Devices at work on the target.
    private(set) var inFlight = 0
    /// Devices on their way back.
    private(set) var restoring = 0
    /// Those of them that were not told yet.
    private(set) var wanted = 0
    /// Places that failed.
    private(set) var failed: Set<Int> = []
    /// Places that are to be assigned the target and are not yet.
    private(set) var unassigned: Set<Int> = []
    /// Places with an evaluation or a shadowing result.
    private(set) var measured: Set<Int> = []
    /// Members that were offered the target.
    private(set) var offered = 0
    /// Devices by state and by outcome.
    private var states = Array(repeating: 0, count: DeviceRolloutState.allCases.count)
    private(set) var outcomes: [RolloutOutcome: Int] = [:]
    /// Failures by cause.
    private(set) var causes: [String: Int] = [:]
    /// By wave: the places, the members that are not through, and those that serve the target or failed.
    private(set) var places: [Range<Int>]
    private(set) var open: [Int]
    private(set) var succeeded: [Int]
    private(set) var failures: [Int]
    /// By wave: no member before this place waits for its first turn.
    private(set) var firstPending: [Int]
    /// No member before this place is to be told to go back.
    var firstWanted = 0
    /// Members in flight or on their way back, by the time at which they are given up.
    var deadlines = DueQueue()
    /// Members that are to be tried again, by the time of that.
    var retries = DueQueue()

    init(_ members: [RolloutMember], waveCount: Int) {
        places = Array(repeating: 0..<0, count: waveCount)
        open = Array(repeating: 0, count: waveCount)
        succeeded = open
        failures = open
        firstPending = open
        index.reserveCapacity(members.count)
        for (position, member) in members.enumerated() { append(member, at: position) }
        firstPending = places.map(\.lowerBound)
    }

    func position(of device: DeviceID) -> Int? { index[device].map { Int($0) } }

    subscript(state: DeviceRolloutState) -> Int { states[state.order] }

    /// Members of the waves up to `wave` that are not through.
    func open(through wave: Int) -> Int {
        var sum = 0
        for number in open.indices where number <= wave { sum += open[number] }
        return sum
    }

    /// A member behind all others, of the last wave or a new one.
    mutating func append(_ member: RolloutMember, at position: Int) {
        while places.count <= member.wave {
            places.append(position..<position)
            open.append(0)
            succeeded.append(0)
            failures.append(0)
            firstPending.append(position)
        }
        index[member.device] = Int32(clamping: position)
        let known = places[member.wave]
        places[member.wave] = known.isEmpty ? position..<position + 1 : known.lowerBound..<position + 1
        if known.isEmpty { firstPending[member.wave] = position }
        count(member, at: position, 1)
        schedule(member, at: position)
    }

    mutating func replace(_ before: RolloutMember, by after: RolloutMember, at position: Int) {
        count(before, at: position, -1)
        count(after, at: position, 1)
        if after.due != before.due { schedule(after, at: position) }
        if after.restore == .wanted { firstWanted = min(firstWanted, position) }
    }

    mutating func passPending(in wave: Int, to position: Int) { firstPending[wave] = position }

    private mutating func schedule(_ member: RolloutMember, at position: Int) {
        guard member.due != RolloutMember.never else { return }
        if member.state == .pending, member.restore == nil {
            retries.insert(position, due: member.due)
        } else {
            deadlines.insert(position, due: member.due)
        }
    }

    private mutating func count(_ member: RolloutMember, at position: Int, _ sign: Int) {
        let isInFlight = member.isInFlight
        if isInFlight { inFlight += sign }
        if member.isRestoring { restoring += sign }
        if member.restore == .wanted { wanted += sign }
        Self.set(&unassigned, position, isInFlight && member.generation == nil, sign)
        let hasFailed = member.hasFailed
        Self.set(&failed, position, hasFailed, sign)
        Self.set(&measured, position, member.evaluation != nil || member.shadow != nil, sign)
        if member.wasOffered { offered += sign }
        states[member.state.order] += sign
        let outcome = member.outcome
        if let outcome { outcomes[outcome, default: 0] += sign }
        if outcome == .failed { causes[member.code ?? member.state.rawValue, default: 0] += sign }
        if !member.state.isFinal { open[member.wave] += sign }
        if outcome == .succeeded { succeeded[member.wave] += sign }
        if hasFailed { failures[member.wave] += sign }
    }

    private static func set(_ places: inout Set<Int>, _ position: Int, _ belongs: Bool, _ sign: Int) {
        guard belongs else { return }
        if sign > 0 { places.insert(position) } else { places.remove(position) }
    }
}
