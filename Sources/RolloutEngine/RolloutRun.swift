package import MartletTypes

/// A rollout at work: a state machine without clock, randomness or I/O.
///
/// `draft → running ⇄ paused → completed | rolling back → rolled back | aborted`. Equal histories give equal states,
/// also where the run was saved and loaded in between: everything but `header` and `members` follows from these.
package struct RolloutRun: Sendable {
    package internal(set) var header: RolloutHeader
    /// The devices in the order of the waves.
    package internal(set) var members: [RolloutMember]
    /// Counts over the members, kept up to date by `update`; never saved.
    var tally: RolloutTally
    private var changed: Set<Int> = []
    var commands: [RolloutCommand] = []
    /// The time of the event being handled: the caller's, and the rollout's own in milliseconds.
    var now: Timestamp
    var time: Int64 = 0
    /// Whether the header changed by the event being handled.
    var isTouched = false

    /// A draft over `candidates`. The same `seed` gives the same waves: take one that the plan was shown with.
    package init(
        id: RolloutID, target: [ReleasePath], policy: RolloutPolicy, candidates: some Sequence<RolloutCandidate>,
        seed: String, now: Timestamp
    ) {
        let waves = WavePlan.plan(of: candidates, policy: policy, seed: seed)
        members = waves.enumerated().flatMap { wave, planned in
            planned.devices.map { RolloutMember($0, wave: wave, now: now) }
        }
        header = RolloutHeader(
            id: id, target: target, policy: policy, seed: seed, reason: "not started",
            waves: waves.map { RolloutHeader.Wave(soakSeconds: $0.soakSeconds, confirm: $0.confirm) },
            gates: policy.gates.map { _ in GateProgress() },
            acceptedShares: policy.thresholds.map { _ in AcceptedShare() }, clock: RolloutClock(now), created: now)
        tally = RolloutTally(members, waveCount: waves.count)
        changed = Set(members.indices)
        self.now = now
    }

    /// A draft over devices whose labels do not matter.
    package init(
        id: RolloutID, target: [ReleasePath], policy: RolloutPolicy, members: some Sequence<DeviceID>, seed: String,
        now: Timestamp
    ) {
        self.init(
            id: id, target: target, policy: policy, candidates: members.map { RolloutCandidate(device: $0) },
            seed: seed, now: now)
    }

    /// A rollout as it was saved. `members` are in the order in which `members` gave them.
    package init(header: RolloutHeader, members: [RolloutMember]) {
        self.header = header
        self.members = members
        tally = RolloutTally(members, waveCount: header.waveCount)
        now = header.clock.seen
    }

    /// Takes an event in; returns what to do, in order.
    package mutating func handle(_ event: RolloutEvent, now: Timestamp) -> [RolloutCommand] {
        self.now = now
        time = header.clock.time(at: now)
        isTouched = false
        take(in: event)
        advance()
        let isOpen = header.state != .draft && !header.state.isFinal
        if isTouched || isOpen && header.clock.mustAdvance(to: now) { header.clock.advance(to: now) }
        defer { commands = [] }
        return commands
    }

    private mutating func take(in event: RolloutEvent) {
        switch event {
        case .start(let actor): start(by: actor)
        case .tick: tick()
        case .assigned(let device, let generation): assigned(device, generation)
        case .refused(let device, let code, let message): refused(device, code, message)
        case .reported(let report): reported(report)
        case .observed(let observations): observed(observations)
        case .joined(let candidates): joined(candidates)
        case .deviceGone(let device): take(device, .skipped, RolloutCode.deviceGone, by: RolloutCode.deviceGone)
        case .devicesSuperseded(let devices, let owner):
            for device in devices { take(device, .superseded, RolloutCode.superseded, by: owner) }
        case .deviceHeld(let device, let code, let actor): hold(device, code, by: actor)
        case .deviceReleased(let device): release(device)
        case .superseded, .pause, .resume, .confirm, .retry, .abort, .rollback: steer(event)
        }
    }

    /// Whether members changed since `takeChanges` was asked last.
    package var hasChanges: Bool { !changed.isEmpty }

    /// Members that changed since this was asked last, with their places: what is to be saved.
    package mutating func takeChanges() -> [(position: Int, member: RolloutMember)] {
        defer { changed = [] }
        return changed.sorted().map { ($0, members[$0]) }
    }

    /// Changes a member and the counts with it.
    mutating func update(_ position: Int, _ body: (inout RolloutMember) -> Void) {
        var member = members[position]
        body(&member)
        put(member, at: position)
    }

    /// Puts a changed member in its place, and counts anew.
    mutating func put(_ member: RolloutMember, at position: Int) {
        let before = members[position]
        guard member != before else { return }
        members[position] = member
        members[position].updated = now
        tally.replace(before, by: member, at: position)
        changed.insert(position)
        isTouched = true
    }

    /// Adds a member behind all others.
    mutating func append(_ member: RolloutMember) {
        members.append(member)
        tally.append(member, at: members.count - 1)
        changed.insert(members.count - 1)
        isTouched = true
    }

    mutating func command(_ command: RolloutCommand) {
        commands.append(command)
        isTouched = true
    }

    mutating func record(_ action: RolloutDecision.Action, _ reason: String, _ figures: GateFigures? = nil) {
        command(.record(RolloutDecision(time: now, action: action, reason: reason, figures: figures)))
    }

    /// Moves to another state; whoever does so records why.
    mutating func enter(_ state: RolloutState, _ cause: RolloutCause, _ reason: String) {
        header.state = state
        header.cause = cause
        header.reason = reason
        isTouched = true
    }
}

extension RolloutRun: Codable {
    private enum CodingKeys: String, CodingKey {
        case header, members
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            header: try container.decode(RolloutHeader.self, forKey: .header),
            members: try container.decode([RolloutMember].self, forKey: .members))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(header, forKey: .header)
        try container.encode(members, forKey: .members)
    }
}

extension RolloutRun: Equatable {
    /// Equal in what is saved.
    package static func == (left: Self, right: Self) -> Bool {
        left.header == right.header && left.members == right.members
    }
}
