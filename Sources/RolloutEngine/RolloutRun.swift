package import MartletTypes

/// What a rollout is, without its devices: small enough to be written at each step.
package struct RolloutHeader: Sendable, Hashable, Codable {
    package let id: RolloutID
    /// What the slot shall run; named in reasons only.
    package let target: [ReleasePath]
    package let policy: RolloutPolicy
    package internal(set) var state: RolloutState = .draft
    /// Why it is in that state.
    package internal(set) var reason: String
    /// The wave at work, from 0; the number of waves when all are over.
    package internal(set) var wave = 0
    package let waveCount: Int
    /// Failures that a person has accepted by resuming.
    package internal(set) var acceptedFailures = 0
    /// The wave up to which a person has accepted that nothing is known.
    package internal(set) var acceptedSilence = -1
    package let created: Timestamp
}

/// A rollout at work: a state machine without clock, randomness or I/O.
///
/// `draft → running ⇄ paused → completed | rolling back → rolled back | aborted`. Equal histories give equal states.
package struct RolloutRun: Sendable {
    package internal(set) var header: RolloutHeader
    /// The devices in the order of the waves.
    package private(set) var members: [RolloutMember]
    /// Counts over the members, kept up to date by `update`; never saved.
    var tally: RolloutTally
    private var changed: Set<Int> = []
    var commands: [RolloutCommand] = []

    /// A draft over `members`. The same `seed` gives the same waves: take one that the plan was shown with.
    package init(
        id: RolloutID, target: [ReleasePath], policy: RolloutPolicy, members: some Sequence<DeviceID>, seed: String,
        now: Timestamp
    ) {
        let waves = WavePlan.waves(of: members, by: policy.waves, seed: seed)
        self.members = waves.enumerated().flatMap { wave, devices in
            devices.map { RolloutMember(device: $0, wave: wave, now: now) }
        }
        header = RolloutHeader(
            id: id, target: target, policy: policy, reason: "not started", waveCount: waves.count, created: now)
        tally = RolloutTally(self.members, waveCount: waves.count)
        changed = Set(self.members.indices)
    }

    /// A rollout as it was saved. `members` are in the order in which `members` gave them.
    package init(header: RolloutHeader, members: [RolloutMember]) {
        self.header = header
        self.members = members
        tally = RolloutTally(members, waveCount: header.waveCount)
    }

    /// Takes an event in; returns what to do, in order.
    package mutating func handle(_ event: RolloutEvent, now: Timestamp) -> [RolloutCommand] {
        commands = []
        defer { commands = [] }
        switch event {
        case .start(let actor): start(by: actor, now: now)
        case .tick: tick(now: now)
        case .assigned(let device, let generation): assigned(device, generation, now: now)
        case .refused(let device, let code, let message): refused(device, code, message, now: now)
        case .reported(let report): reported(report, now: now)
        case .deviceGone(let device):
            take(device, .skipped, RolloutCode.deviceGone, by: RolloutCode.deviceGone, now: now)
        case .deviceSuperseded(let device, let owner):
            take(device, .superseded, RolloutCode.superseded, by: owner, now: now)
        case .superseded, .pause, .resume, .abort, .rollback: steer(event, now: now)
        }
        advance(now: now)
        return commands
    }

    /// Members that changed since this was asked last, with their places: what is to be saved.
    package mutating func takeChanges() -> [(position: Int, member: RolloutMember)] {
        defer { changed = [] }
        return changed.sorted().map { ($0, members[$0]) }
    }

    /// One device's part; nil where it does not take part.
    package func member(_ device: DeviceID) -> RolloutMember? { tally.index[device].map { members[$0] } }

    /// Devices by state.
    package var counts: [DeviceRolloutState: Int] {
        members.reduce(into: [:]) { $0[$1.state, default: 0] += 1 }
    }

    /// Changes a member and the counts with it.
    mutating func update(_ position: Int, now: Timestamp, _ body: (inout RolloutMember) -> Void) {
        let before = members[position]
        body(&members[position])
        guard members[position] != before else { return }
        members[position].updated = now
        tally.replace(before, by: members[position], at: position)
        changed.insert(position)
    }

    mutating func record(_ action: RolloutDecision.Action, _ reason: String, now: Timestamp) {
        commands.append(.record(RolloutDecision(time: now, action: action, reason: reason)))
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
