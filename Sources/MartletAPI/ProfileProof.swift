package import MartletTypes

/// What the devices of one hardware profile proved in a rollout before they switched: their evaluations and what
/// shadowing found. A device counts once, however many rows or requests it brings.
package struct ProfileProof: Sendable, Hashable, Codable {
    /// What the evaluation set found.
    package struct Evaluation: Sendable, Hashable, Codable {
        package var devices: Int
        /// Devices that reached the release's threshold, or had none to reach.
        package var passed: Int
        /// Rows that were run, and those whose answer was right, on all of these devices.
        package var rows: Int
        package var correct: Int
        /// The lowest accuracy of a device, 0 to 1, and whose it is.
        package var lowestAccuracy: Double
        package var lowest: DeviceID
        /// Median of the devices' macro-F1; nil where rows are not compared as labels.
        package var macroF1: Double?
        /// Median of the devices' median times of one answer.
        package var medianMilliseconds: Double
        /// Within this time 95 % of the answers came on the slowest device; nil where no device tells.
        package var slowestP95Milliseconds: Double?

        package init(
            devices: Int, passed: Int, rows: Int, correct: Int, lowestAccuracy: Double, lowest: DeviceID,
            macroF1: Double?, medianMilliseconds: Double, slowestP95Milliseconds: Double?
        ) {
            self.devices = devices
            self.passed = passed
            self.rows = rows
            self.correct = correct
            self.lowestAccuracy = lowestAccuracy
            self.lowest = lowest
            self.macroF1 = macroF1
            self.medianMilliseconds = medianMilliseconds
            self.slowestP95Milliseconds = slowestP95Milliseconds
        }
    }

    /// What shadowing found.
    package struct Shadow: Sendable, Hashable, Codable {
        package var devices: Int
        /// Answers that were compared, and those that agree, on all of these devices.
        package var compared: Int
        package var agreed: Int
        /// The lowest agreement of a device, 0 to 1, and whose it is.
        package var lowestAgreement: Double
        package var lowest: DeviceID
        /// Medians of the devices' median times: of the running model, and of the candidate.
        package var liveMedianMilliseconds: Double
        package var candidateMedianMilliseconds: Double

        package init(
            devices: Int, compared: Int, agreed: Int, lowestAgreement: Double, lowest: DeviceID,
            liveMedianMilliseconds: Double, candidateMedianMilliseconds: Double
        ) {
            self.devices = devices
            self.compared = compared
            self.agreed = agreed
            self.lowestAgreement = lowestAgreement
            self.lowest = lowest
            self.liveMedianMilliseconds = liveMedianMilliseconds
            self.candidateMedianMilliseconds = candidateMedianMilliseconds
        }
    }

    /// The profile's name; empty for devices that did not tell one.
    package var profile: String
    package var evaluation: Evaluation?
    package var shadow: Shadow?

    package init(profile: String, evaluation: Evaluation? = nil, shadow: Shadow? = nil) {
        self.profile = profile
        self.evaluation = evaluation
        self.shadow = shadow
    }
}
