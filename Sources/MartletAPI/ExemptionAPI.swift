package import MartletTypes

/// Asks to pin a device's slot or to hold a device out of rollouts.
package struct ExemptionRequest: Sendable, Codable {
    /// In a sentence, for whoever wonders why the device does not move.
    package var reason: String
    /// Seconds after which it ends by itself; nil lasts until it is lifted.
    package var validSeconds: Int64?

    package init(reason: String, validSeconds: Int64? = nil) {
        self.reason = reason
        self.validSeconds = validSeconds
    }
}

/// Why rollouts pass a slot, or a device, over.
package struct Exemption: Sendable, Hashable, Codable {
    package var reason: String
    /// Who asked for it.
    package var by: String
    package var since: Timestamp
    /// When it ends by itself; nil lasts until it is lifted.
    package var expires: Timestamp?

    package init(reason: String, by: String, since: Timestamp, expires: Timestamp? = nil) {
        self.reason = reason
        self.by = by
        self.since = since
        self.expires = expires
    }
}

/// What a slot was to run from when on, who said so and why, and what became of it.
package struct DeviceMove: Sendable, Hashable, Codable {
    /// The assignment number.
    package var number: Int64
    package var time: Timestamp
    package var slot: SlotName
    /// Empty where the slot was emptied.
    package var releases: [ReleasePath]
    /// The rollout that did it, if one did.
    package var rollout: RolloutID?
    /// Who moved it: an operator, or `registry` for what a gate decided.
    package var actor: String
    /// Why; of a rollback, the gate with its numbers.
    package var reason: String
    /// The last that the device reported about it.
    package var state: DeviceRolloutState?
    package var code: String?
    package var message: String?
    /// When it was reported.
    package var reported: Timestamp?

    package init(
        number: Int64, time: Timestamp, slot: SlotName, releases: [ReleasePath], rollout: RolloutID? = nil,
        actor: String, reason: String, state: DeviceRolloutState? = nil, code: String? = nil, message: String? = nil,
        reported: Timestamp? = nil
    ) {
        self.number = number
        self.time = time
        self.slot = slot
        self.releases = releases
        self.rollout = rollout
        self.actor = actor
        self.reason = reason
        self.state = state
        self.code = code
        self.message = message
        self.reported = reported
    }
}
