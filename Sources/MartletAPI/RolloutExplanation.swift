package import MartletTypes

/// Why a rollout, or one device in it, is where it is.
package struct RolloutExplanation: Sendable, Codable {
    /// One device in the rollout.
    package struct Part: Sendable, Codable {
        /// Its part; nil where it does not take part.
        package var device: RolloutInfo.Device?
        package var online: Bool
        package var lastSeen: Timestamp?
        /// The last that it reported about this slot.
        package var lastReport: DeviceReport?
        /// Why rollouts pass its slot over, and it altogether.
        package var pin: Exemption?
        package var hold: Exemption?
        /// What its slot was to run, newest first.
        package var moves: [DeviceMove]

        package init(
            device: RolloutInfo.Device?, online: Bool, lastSeen: Timestamp?, lastReport: DeviceReport? = nil,
            pin: Exemption? = nil, hold: Exemption? = nil, moves: [DeviceMove] = []
        ) {
            self.device = device
            self.online = online
            self.lastSeen = lastSeen
            self.lastReport = lastReport
            self.pin = pin
            self.hold = hold
            self.moves = moves
        }
    }

    package var id: RolloutID
    package var state: RolloutState
    /// The answer, the most important sentence first.
    package var because: [String]
    /// The newest decisions, newest first.
    package var decisions: [RolloutInfo.Decision]
    /// How each gate stands by its last measurement.
    package var gates: [GateStanding]
    /// Devices that wait for a condition of theirs, or are at work: those whose state changed longest ago first.
    package var waiting: [RolloutInfo.Device]
    /// The device that was asked for.
    package var part: Part?

    package init(
        id: RolloutID, state: RolloutState, because: [String], decisions: [RolloutInfo.Decision],
        gates: [GateStanding], waiting: [RolloutInfo.Device], part: Part? = nil
    ) {
        self.id = id
        self.state = state
        self.because = because
        self.decisions = decisions
        self.gates = gates
        self.waiting = waiting
        self.part = part
    }
}
