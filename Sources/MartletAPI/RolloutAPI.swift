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

/// What a rollout would do, before anything happens.
package struct RolloutPlan: Sendable, Codable {
    /// One wave with its devices.
    package struct Wave: Sendable, Hashable, Codable {
        /// In the order in which they are started.
        package var devices: [DeviceID]
        /// Which devices the policy takes for it: the cumulative size, the selector, both or neither.
        package var size: RolloutPolicy.WaveSize?
        package var selector: LabelSelector?
        /// Seconds from its last device to the next wave.
        package var soakSeconds: Int
        /// Whether a person must confirm before the next wave.
        package var confirm: Bool

        package init(
            devices: [DeviceID], size: RolloutPolicy.WaveSize? = nil, selector: LabelSelector? = nil,
            soakSeconds: Int = 0, confirm: Bool = false
        ) {
            self.devices = devices
            self.size = size
            self.selector = selector
            self.soakSeconds = soakSeconds
            self.confirm = confirm
        }
    }

    /// A device that is selected and would not be moved.
    package struct Skip: Sendable, Hashable, Codable {
        package var device: DeviceID
        /// As a stable code: `pinned`, `held`, `noVariantFits`.
        package var code: String
        /// Why, in a sentence.
        package var reason: String

        package init(device: DeviceID, code: String, reason: String) {
            self.device = device
            self.code = code
            self.reason = reason
        }
    }

    package var waves: [Wave]
    /// Devices that stand in a wave and would be passed over when their turn comes, with why.
    package var skipped: [Skip]
    /// When a device may begin.
    package var conditions: UpdateConditions
    /// Devices at work at once; nil is no limit.
    package var maxInFlight: Int?
    /// Seconds that soaks and the rate of starting take at least; what devices need to fetch is not known before.
    package var leastSeconds: Int
    /// Open rollouts that would lose devices to this one.
    package var supersedes: [RolloutID]

    package init(
        waves: [Wave], skipped: [Skip] = [], conditions: UpdateConditions = UpdateConditions(), maxInFlight: Int? = nil,
        leastSeconds: Int = 0, supersedes: [RolloutID] = []
    ) {
        self.waves = waves
        self.skipped = skipped
        self.conditions = conditions
        self.maxInFlight = maxInFlight
        self.leastSeconds = leastSeconds
        self.supersedes = supersedes
    }
}

/// What can be done to an open rollout.
package enum RolloutAction: String, Sendable, Codable, CaseIterable {
    case pause, resume
    /// Lets the next wave start that waits for a person.
    case confirm
    /// Tries devices again whose part ended otherwise than in success.
    case retry
    /// Ends it where it is; devices keep what they have and finish what they began.
    case abort
    /// Takes every device back that was moved.
    case rollback
}

/// Why an operator steers a rollout, and what of it.
package struct RolloutChange: Sendable, Codable {
    /// In a sentence, for the decisions and the audit log.
    package var reason: String
    /// For `retry` only these; empty is all that did not succeed.
    package var devices: [DeviceID]

    package init(reason: String = "", devices: [DeviceID] = []) {
        self.reason = reason
        self.devices = devices
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        reason = try fields.decodeIfPresent(String.self, forKey: .reason) ?? ""
        devices = try fields.decodeIfPresent([DeviceID].self, forKey: .devices) ?? []
    }

    private enum CodingKeys: CodingKey { case reason, devices }
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
        package var shadow: ShadowResult?
        /// Attempts before the present one; nil for none.
        package var attempts: Int?
        /// Why the attempt before the present one failed; nil where there was none, and once it succeeded.
        package var lastFailure: String?
        package var updated: Timestamp

        package init(
            device: DeviceID, wave: Int, state: DeviceRolloutState, code: String? = nil, message: String? = nil,
            evaluation: EvaluationResult? = nil, shadow: ShadowResult? = nil, updated: Timestamp
        ) {
            self.device = device
            self.wave = wave
            self.state = state
            self.code = code
            self.message = message
            self.evaluation = evaluation
            self.shadow = shadow
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
        /// The numbers, where a gate decided.
        package var figures: GateResult?

        package init(time: Timestamp, action: String, reason: String, figures: GateResult? = nil) {
            self.time = time
            self.action = action
            self.reason = reason
            self.figures = figures
        }
    }

    /// How far one wave is.
    package struct Wave: Sendable, Hashable, Codable {
        package var devices: Int
        /// Its devices by state.
        package var counts: [String: Int]
        /// Seconds from its last device to the next wave.
        package var soakSeconds: Int
        /// Whether a person must confirm before the next wave.
        package var confirm: Bool

        package init(devices: Int, counts: [String: Int], soakSeconds: Int, confirm: Bool) {
            self.devices = devices
            self.counts = counts
            self.soakSeconds = soakSeconds
            self.confirm = confirm
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
    /// Present in the answer for one rollout only: all devices of a small one; of a large one those that need a look,
    /// those at work for longest, and those that changed last, two hundred in all.
    package var devices: [Device]?
    /// Devices that are not in `devices`; nil for none. Pages of all are at the route `devices` of the rollout.
    package var devicesLeft: Int?
    /// Devices that came to an end in the last ten minutes; in the answer for one rollout only.
    package var endedLately: Int?
    /// The newest five hundred.
    package var decisions: [Decision]?
    /// How far each wave is.
    package var progress: [Wave]?
    /// How each gate of the policy stands by its last measurement.
    package var gates: [GateStanding]?
    /// What devices proved on themselves, by hardware profile; in the answer for one rollout only, and of more than
    /// four hundred devices with results from an even sample of so many.
    package var proofs: [ProfileProof]?
    /// Of a running one what it does now: `moving`, `soaking`, `measuring`, or `confirming` while the next wave waits
    /// for a person.
    package var phase: String?
    /// Why it is in its state, as a stable code, e.g. `gateFailed`.
    package var cause: String?
    /// When it ends at the pace so far, where that can be said.
    package var estimatedEnd: Timestamp?

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
