/// How a rollout moves: the values that an operator chooses. The decisions are the rollout engine's.
///
/// As JSON every field may be left out; the file that operators write is described in `docs/formats/rollout-policy.md`.
package struct RolloutPolicy: Sendable, Hashable {
    /// A part of the fleet, cumulative: a wave of 50 % after one of 10 % adds 40 %.
    package enum WaveSize: Sendable, Hashable, Codable {
        case count(Int)
        case percent(Double)

        /// `5` or `20%`.
        package init(_ text: String) throws(InvalidValue) {
            if text.hasSuffix("%"), let value = Double(text.dropLast()), value > 0, value <= 100 {
                self = .percent(value)
            } else if let value = Int(text), value > 0 {
                self = .count(value)
            } else {
                throw InvalidValue(kind: "wave size", value: text, rule: "a count like 5 or a share like 20%")
            }
        }

        package var description: String {
            switch self {
            case .count(let value): String(value)
            case .percent(let value): value == value.rounded() ? "\(Int(value))%" : "\(value)%"
            }
        }

        package init(from decoder: any Decoder) throws {
            self = try decoder.checked { (text: String) throws(InvalidValue) in try Self(text) }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(description)
        }
    }

    /// What follows a failed gate or threshold.
    package enum OnFailure: String, Sendable, Codable, CaseIterable {
        /// Nothing new starts; a person decides.
        case pause
        /// The rollout ends where it is; devices keep what they have.
        case stop
        /// The devices of the wave at work go back, each to what it had; earlier waves stay; the rollout pauses.
        case rollbackWave
        /// Every device that was moved goes back to what it had.
        case rollbackAll
    }

    /// Which devices take part.
    package enum Membership: String, Sendable, Codable, CaseIterable {
        /// Those that matched when the rollout started.
        case frozen
        /// Those that come to match while it is open too; they are appended to the last wave.
        case dynamic
    }

    /// The waves in their order; a last wave that takes all that is left is added by itself.
    package var waves: [RolloutWave]
    /// Which devices take part.
    package var membership: Membership
    /// Devices that match an earlier selector come first, e.g. `ring=canary`; the rest by a seeded hash.
    package var order: [LabelSelector]
    /// Seconds that each device's new generation must prove itself before it counts as succeeded.
    package var soakSeconds: Int
    /// The rollout fails when more devices than this have failed; nil leaves it to `thresholds` and `gates`.
    package var maxFailures: Int?
    /// Shares of completed devices that may come out otherwise than `succeeded`.
    package var thresholds: [FailureThreshold]
    /// Conditions on what devices measure.
    package var gates: [RolloutGatePolicy]
    /// Devices being updated at once; nil is no limit.
    package var maxInFlight: Int?
    /// How fast devices are started; nil starts as many as `maxInFlight` allows.
    package var rate: RolloutRate?
    /// Seconds after which a device that was offered and never finished is given up; nil takes
    /// `Limits.rolloutDeadlineSeconds`. Time that a device spends waiting for its conditions does not count.
    package var deviceDeadlineSeconds: Int?
    /// How often a device that failed is tried again.
    package var retry: RolloutRetry
    /// When a device may begin, and how fast it may fetch.
    package var conditions: UpdateConditions
    /// Asks the candidate what the running model is asked, before the switch; nil does not.
    package var shadow: ShadowPolicy?
    /// What follows a failed gate or threshold.
    package var onFailure: OnFailure

    package init(
        waves: [RolloutWave] = [], membership: Membership = .frozen, order: [LabelSelector] = [], soakSeconds: Int = 10,
        maxFailures: Int? = 0, thresholds: [FailureThreshold] = [], gates: [RolloutGatePolicy] = [],
        maxInFlight: Int? = nil, rate: RolloutRate? = nil, deviceDeadlineSeconds: Int? = nil,
        retry: RolloutRetry = RolloutRetry(), conditions: UpdateConditions = UpdateConditions(),
        shadow: ShadowPolicy? = nil, onFailure: OnFailure = .pause
    ) {
        self.waves = waves
        self.membership = membership
        self.order = order
        self.soakSeconds = soakSeconds
        self.maxFailures = maxFailures
        self.thresholds = thresholds
        self.gates = gates
        self.maxInFlight = maxInFlight
        self.rate = rate
        self.deviceDeadlineSeconds = deviceDeadlineSeconds
        self.retry = retry
        self.conditions = conditions
        self.shadow = shadow
        self.onFailure = onFailure
    }
}

extension RolloutPolicy: Codable {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        waves = try fields.decodeIfPresent([RolloutWave].self, forKey: .waves) ?? waves
        membership = try fields.decodeIfPresent(Membership.self, forKey: .membership) ?? membership
        order = try fields.decodeIfPresent([LabelSelector].self, forKey: .order) ?? order
        soakSeconds = try fields.decodeIfPresent(Int.self, forKey: .soakSeconds) ?? soakSeconds
        thresholds = try fields.decodeIfPresent([FailureThreshold].self, forKey: .thresholds) ?? thresholds
        gates = try fields.decodeIfPresent([RolloutGatePolicy].self, forKey: .gates) ?? gates
        // Whoever states thresholds or gates and no count wants no count.
        let count = thresholds.isEmpty && gates.isEmpty ? maxFailures : nil
        maxFailures = fields.contains(.maxFailures) ? try fields.decodeIfPresent(Int.self, forKey: .maxFailures) : count
        maxInFlight = try fields.decodeIfPresent(Int.self, forKey: .maxInFlight)
        rate = try fields.decodeIfPresent(RolloutRate.self, forKey: .rate)
        deviceDeadlineSeconds = try fields.decodeIfPresent(Int.self, forKey: .deviceDeadlineSeconds)
        retry = try fields.decodeIfPresent(RolloutRetry.self, forKey: .retry) ?? retry
        conditions = try fields.decodeIfPresent(UpdateConditions.self, forKey: .conditions) ?? conditions
        shadow = try fields.decodeIfPresent(ShadowPolicy.self, forKey: .shadow)
        onFailure = try fields.decodeIfPresent(OnFailure.self, forKey: .onFailure) ?? onFailure
    }

    private enum CodingKeys: String, CodingKey {
        case waves, membership, order, soakSeconds, maxFailures, thresholds, gates, maxInFlight, rate
        case deviceDeadlineSeconds, retry, conditions, shadow, onFailure
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(waves, forKey: .waves)
        try fields.encode(membership, forKey: .membership)
        try fields.encode(order, forKey: .order)
        try fields.encode(soakSeconds, forKey: .soakSeconds)
        // Written even when it is nil: to leave it out means the default.
        try fields.encode(maxFailures, forKey: .maxFailures)
        try fields.encode(thresholds, forKey: .thresholds)
        try fields.encode(gates, forKey: .gates)
        try fields.encodeIfPresent(maxInFlight, forKey: .maxInFlight)
        try fields.encodeIfPresent(rate, forKey: .rate)
        try fields.encodeIfPresent(deviceDeadlineSeconds, forKey: .deviceDeadlineSeconds)
        try fields.encode(retry, forKey: .retry)
        try fields.encode(conditions, forKey: .conditions)
        try fields.encodeIfPresent(shadow, forKey: .shadow)
        try fields.encode(onFailure, forKey: .onFailure)
    }
}
