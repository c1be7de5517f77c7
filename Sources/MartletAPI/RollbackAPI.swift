package import MartletTypes

/// Takes devices back, each to what it had. Exactly one of the first four says which devices.
package struct RollbackRequest: Sendable, Codable {
    package var device: DeviceID?
    package var fleet: FleetName?
    /// Everything that runs this release.
    package var release: ReleasePath?
    package var rollout: RolloutID?
    /// The slot; may be left out where `release` or `rollout` says it.
    package var slot: SlotName?
    /// A release to go back to instead of each device's previous one.
    package var to: ReleasePath?
    package var reason: String
    /// Moves a pinned slot too; only where `device` names it.
    package var force: Bool?

    package init(
        device: DeviceID? = nil, fleet: FleetName? = nil, release: ReleasePath? = nil, rollout: RolloutID? = nil,
        slot: SlotName? = nil, to: ReleasePath? = nil, reason: String = "", force: Bool? = nil
    ) {
        self.device = device
        self.fleet = fleet
        self.release = release
        self.rollout = rollout
        self.slot = slot
        self.to = to
        self.reason = reason
        self.force = force
    }
}

/// What a rollback set in motion.
package struct RollbackAnswer: Sendable, Codable {
    /// One device's new target in one slot.
    package struct Move: Sendable, Hashable, Codable {
        package var device: DeviceID
        package var slot: SlotName
        package var from: [ReleasePath]
        package var to: [ReleasePath]
        /// The assignment number that says so.
        package var assignment: Int64

        package init(
            device: DeviceID, slot: SlotName, from: [ReleasePath], to: [ReleasePath], assignment: Int64
        ) {
            self.device = device
            self.slot = slot
            self.from = from
            self.to = to
            self.assignment = assignment
        }
    }

    package var moves: [Move]
    /// Devices that have nothing to go back to, with why.
    package var skipped: [DeviceID: String]

    package init(moves: [Move], skipped: [DeviceID: String] = [:]) {
        self.moves = moves
        self.skipped = skipped
    }
}
