package import MartletTypes

/// What a rollout is told.
package enum RolloutEvent: Sendable, Hashable, Codable {
    /// A draft begins.
    case start(by: String)
    /// Time has passed.
    case tick
    /// The caller carried out `assign` or `restore`: `generation` is the assignment number that says so.
    case assigned(DeviceID, generation: Int64)
    /// The caller could not carry out `assign` or `restore`, e.g. because the release was blocked meanwhile, or lies
    /// below the device's floor. The rollout does not send that device there again.
    case refused(DeviceID, code: String, message: String)
    /// A device reported where its installation stands. Late, doubled and out-of-order reports do no harm.
    case reported(DeviceReport)
    /// What the devices measured: the whole present picture, asked for by `RolloutRun.nextMeasurement`.
    case observed([DeviceObservation])
    /// Devices that came to match the target; ignored where the policy's membership is frozen.
    case joined([RolloutCandidate])
    /// A device was revoked or deleted.
    case deviceGone(DeviceID)
    /// A newer rollout, or a person, moved these devices' slots; all at once, so that none of them is started in the
    /// place of another.
    case devicesSuperseded([DeviceID], by: String)
    /// A person holds the device or pins its slot (`code` is `RolloutCode.held` or `.pinned`): its turn does not come.
    /// One that is at work on the target finishes it.
    case deviceHeld(DeviceID, code: String, by: String)
    /// The hold or pin ended: its turn comes again.
    case deviceReleased(DeviceID)
    /// A newer rollout took over all devices.
    case superseded(by: String)
    case pause(by: String, reason: String)
    /// Goes on; the failures so far, and what the gates said of this wave, are accepted.
    case resume(by: String, reason: String)
    /// The next wave may start: the answer to a wave that waits for a person.
    case confirm(by: String, reason: String)
    /// Tries these devices again, or all that failed where `devices` is empty.
    case retry(by: String, devices: [DeviceID], reason: String = "")
    /// Stops where it is: devices keep what they have and finish what they began.
    case abort(by: String, reason: String)
    /// Takes every device back to what it had; possible after the end too.
    case rollback(by: String, reason: String)

    /// The part of a device's report that a rollout looks at.
    package struct DeviceReport: Sendable, Hashable, Codable {
        package var device: DeviceID
        /// The slot's generation in the assignment that the report is about.
        package var generation: Int64
        package var state: DeviceRolloutState
        /// Why, as a stable code.
        package var code: String?
        /// One sentence for people.
        package var message: String?
        package var evaluation: EvaluationResult?
        package var shadow: ShadowResult?

        package init(
            device: DeviceID, generation: Int64, state: DeviceRolloutState, code: String? = nil,
            message: String? = nil, evaluation: EvaluationResult? = nil, shadow: ShadowResult? = nil
        ) {
            self.device = device
            self.generation = generation
            self.state = state
            self.code = code
            self.message = message
            self.evaluation = evaluation
            self.shadow = shadow
        }
    }
}
