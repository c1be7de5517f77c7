package import MartletTypes

/// What one device measured: the device is the unit of sampling, however many requests it had.
package struct DeviceObservation: Sendable, Hashable, Codable {
    /// What was running while it was measured.
    package enum Side: String, Sendable, Codable {
        /// The target of the rollout, since the device switched to it.
        case candidate
        /// What it runs now, on a device of the rollout that is not updated yet: the concurrent baseline.
        case baseline
        /// What the device itself ran before it switched: the fallback where too few devices are left.
        case previous
    }

    /// A value and how much stands behind it.
    package struct Measurement: Sendable, Hashable, Codable {
        /// In the unit of the metric; a share from 0 to 1 for proportions.
        package var value: Double
        /// Requests, rows or answers that it was measured over; for a proportion, its denominator.
        package var samples: Int

        package init(value: Double, samples: Int) {
            self.value = value
            self.samples = samples
        }
    }

    package var device: DeviceID
    package var side: Side
    /// Devices are compared within a group only: their profile.
    package var group: String
    package var values: [RolloutMetric: Measurement]

    package init(device: DeviceID, side: Side, group: String, values: [RolloutMetric: Measurement]) {
        self.device = device
        self.side = side
        self.group = group
        self.values = values
    }
}
