package import MartletTypes

/// Starts a rollout, or plans one.
package struct RolloutRequest: Sendable, Codable {
    /// The fleet; exactly one of `fleet` and `selector` is given.
    package var fleet: FleetName?
    package var selector: LabelSelector?
    package var slot: SlotName
    /// One model, or adapters on one base.
    package var releases: [ReleasePath]
    package var settings: SlotSettings
    package var policy: RolloutPolicy

    package init(
        fleet: FleetName? = nil, selector: LabelSelector? = nil, slot: SlotName, releases: [ReleasePath],
        settings: SlotSettings = SlotSettings(), policy: RolloutPolicy = RolloutPolicy()
    ) {
        self.fleet = fleet
        self.selector = selector
        self.slot = slot
        self.releases = releases
        self.settings = settings
        self.policy = policy
    }
}

/// The waves before anything happens.
package struct RolloutPlan: Sendable, Codable {
    package var waves: [[DeviceID]]

    package init(waves: [[DeviceID]]) { self.waves = waves }
}

/// What can be done to an open rollout.
package enum RolloutAction: String, Sendable, Codable, CaseIterable {
    case pause, resume, abort, rollback
}

/// A rollout in lists and by itself.
package struct RolloutInfo: Sendable, Codable {
    /// One device's part.
    package struct Device: Sendable, Hashable, Codable {
        package var device: DeviceID
        package var wave: Int
        package var state: DeviceRolloutState
        package var code: String?
        package var message: String?
        package var evaluation: EvaluationResult?
        package var updated: Timestamp

        package init(
            device: DeviceID, wave: Int, state: DeviceRolloutState, code: String? = nil, message: String? = nil,
            evaluation: EvaluationResult? = nil, updated: Timestamp
        ) {
            self.device = device
            self.wave = wave
            self.state = state
            self.code = code
            self.message = message
            self.evaluation = evaluation
            self.updated = updated
        }
    }

    /// A recorded decision of the engine.
    package struct Decision: Sendable, Hashable, Codable {
        package var time: Timestamp
        /// What was decided, e.g. `startWave`, `pause`, `rollBack`, `complete`.
        package var action: String
        /// Why, in a sentence with the numbers.
        package var reason: String

        package init(time: Timestamp, action: String, reason: String) {
            self.time = time
            self.action = action
            self.reason = reason
        }
    }

    package var id: RolloutID
    package var slot: SlotName
    package var releases: [ReleasePath]
    package var fleet: FleetName?
    package var selector: LabelSelector
    package var state: RolloutState
    /// Why it is in that state.
    package var reason: String
    package var policy: RolloutPolicy
    package var created: Timestamp
    package var createdBy: String
    /// Index of the wave at work; the number of waves when all are done.
    package var wave: Int
    package var waves: Int
    /// Devices by state.
    package var counts: [String: Int]
    /// Present in the answer for one rollout only.
    package var devices: [Device]?
    package var decisions: [Decision]?

    package init(
        id: RolloutID, slot: SlotName, releases: [ReleasePath], fleet: FleetName?, selector: LabelSelector,
        state: RolloutState, reason: String, policy: RolloutPolicy, created: Timestamp, createdBy: String, wave: Int,
        waves: Int, counts: [String: Int], devices: [Device]? = nil, decisions: [Decision]? = nil
    ) {
        self.id = id
        self.slot = slot
        self.releases = releases
        self.fleet = fleet
        self.selector = selector
        self.state = state
        self.reason = reason
        self.policy = policy
        self.created = created
        self.createdBy = createdBy
        self.wave = wave
        self.waves = waves
        self.counts = counts
        self.devices = devices
        self.decisions = decisions
    }
}

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

    package init(
        device: DeviceID? = nil, fleet: FleetName? = nil, release: ReleasePath? = nil, rollout: RolloutID? = nil,
        slot: SlotName? = nil, to: ReleasePath? = nil, reason: String = ""
    ) {
        self.device = device
        self.fleet = fleet
        self.release = release
        self.rollout = rollout
        self.slot = slot
        self.to = to
        self.reason = reason
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

/// A minute of a slot's life, as the registry keeps it.
package struct TelemetryPoint: Sendable, Hashable, Codable {
    package var time: Timestamp
    package var device: DeviceID
    /// Nil for measurements of the whole box.
    package var slot: SlotName?
    package var release: ReleasePath?
    package var requests: Int64
    package var errors: Int64
    package var refused: Int64
    package var p50Milliseconds: Double?
    package var p95Milliseconds: Double?
    package var p95FirstTokenMilliseconds: Double?
    package var inputTokens: Int64
    package var outputTokens: Int64
    package var cpuPercent: Double?
    package var memoryUsed: ByteCount?
    package var temperatureCelsius: Double?

    package init(
        time: Timestamp, device: DeviceID, slot: SlotName? = nil, release: ReleasePath? = nil, requests: Int64 = 0,
        errors: Int64 = 0, refused: Int64 = 0, p50Milliseconds: Double? = nil, p95Milliseconds: Double? = nil,
        p95FirstTokenMilliseconds: Double? = nil, inputTokens: Int64 = 0, outputTokens: Int64 = 0,
        cpuPercent: Double? = nil, memoryUsed: ByteCount? = nil, temperatureCelsius: Double? = nil
    ) {
        self.time = time
        self.device = device
        self.slot = slot
        self.release = release
        self.requests = requests
        self.errors = errors
        self.refused = refused
        self.p50Milliseconds = p50Milliseconds
        self.p95Milliseconds = p95Milliseconds
        self.p95FirstTokenMilliseconds = p95FirstTokenMilliseconds
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cpuPercent = cpuPercent
        self.memoryUsed = memoryUsed
        self.temperatureCelsius = temperatureCelsius
    }
}
