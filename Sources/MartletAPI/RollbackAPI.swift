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

    /// What was moved before this was answered: of many devices the first.
    package var moves: [Move]
    /// Devices that have nothing to go back to, with why.
    package var skipped: [DeviceID: String]
    /// Slots that follow in further steps, by themselves and also after a restart; nil for none.
    package var following: Int?
    /// By which its progress is asked for where slots follow; a rollout's own progress says it where one goes back.
    package var rollback: String?

    package init(moves: [Move], skipped: [DeviceID: String] = [:], following: Int = 0, rollback: String? = nil) {
        self.moves = moves
        self.skipped = skipped
        self.following = following > 0 ? following : nil
        self.rollback = rollback
    }
}

/// How far a rollback of many devices is.
package struct RollbackProgress: Sendable, Codable {
    package var id: String
    package var created: Timestamp
    package var createdBy: String
    /// Slots that it began with.
    package var places: Int
    /// Those of them that were moved, and those whose turn comes. One that somebody else moves meanwhile is in neither.
    package var moved: Int
    package var following: Int
    /// Slots that were passed over, with why, by device: the first of them.
    package var skipped: [DeviceID: String]
    /// When none was left; nil while it is under way.
    package var finished: Timestamp?

    package init(
        id: String, created: Timestamp, createdBy: String, places: Int, moved: Int, following: Int,
        skipped: [DeviceID: String], finished: Timestamp?
    ) {
        self.id = id
        self.created = created
        self.createdBy = createdBy
        self.places = places
        self.moved = moved
        self.following = following
        self.skipped = skipped
        self.finished = finished
    }
}
