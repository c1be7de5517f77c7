package import MartletTypes

/// A device that a rollout is about to include, as it stands when the waves are planned.
package struct RolloutCandidate: Sendable, Hashable, Codable {
    /// Why a device takes no part although the target selects it.
    package struct Exclusion: Sendable, Hashable, Codable {
        /// `RolloutCode.held` or `RolloutCode.pinned`.
        package var code: String
        /// One sentence for people: who, since when, why.
        package var message: String

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    package var device: DeviceID
    /// What the selectors of waves and order look at.
    package var labels: Labels
    /// Set where a person keeps the device, or this slot of it, out.
    package var exclusion: Exclusion?

    package init(device: DeviceID, labels: Labels = .none, exclusion: Exclusion? = nil) {
        self.device = device
        self.labels = labels
        self.exclusion = exclusion
    }
}

/// A wave as it would be: what `martlet rollout plan` shows before anything happens.
package struct PlannedWave: Sendable, Hashable, Codable {
    /// The policy's wave that it comes from; nil for the last one, which takes all that is left.
    package var rule: RolloutWave?
    /// In the order in which they are started.
    package var devices: [RolloutCandidate]
    /// Seconds from the end of its last device to the start of the next wave.
    package var soakSeconds: Int
    /// Whether a person must confirm before the next wave starts.
    package var confirm: Bool

    package init(rule: RolloutWave?, devices: [RolloutCandidate], soakSeconds: Int, confirm: Bool) {
        self.rule = rule
        self.devices = devices
        self.soakSeconds = soakSeconds
        self.confirm = confirm
    }
}
