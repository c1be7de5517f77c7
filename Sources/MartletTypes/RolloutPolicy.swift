/// How a rollout moves: the values that an operator chooses. The decisions are the rollout engine's.
package struct RolloutPolicy: Sendable, Hashable, Codable {
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
            let container = try decoder.singleValueContainer()
            do {
                try self.init(container.decode(String.self))
            } catch let error as InvalidValue {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
            }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(description)
        }
    }

    /// What happens when the failure gate fails.
    package enum OnFailure: String, Sendable, Codable, CaseIterable {
        case pause
        case rollback
    }

    /// Cumulative sizes; the last wave always takes all that is left.
    package var waves: [WaveSize]
    /// Seconds that each device's new generation must prove itself before it counts as succeeded.
    package var soakSeconds: Int
    /// The rollout stops when more devices than this have failed.
    package var maxFailures: Int
    /// Devices being updated at once; nil is no limit.
    package var maxInFlight: Int?
    /// Seconds after which a device that was offered and never finished counts as timed out; nil waits for ever.
    package var deviceDeadlineSeconds: Int?
    /// What follows a failed gate.
    package var onFailure: OnFailure

    package init(
        waves: [WaveSize] = [], soakSeconds: Int = 10, maxFailures: Int = 0, maxInFlight: Int? = nil,
        deviceDeadlineSeconds: Int? = nil, onFailure: OnFailure = .pause
    ) {
        self.waves = waves
        self.soakSeconds = soakSeconds
        self.maxFailures = maxFailures
        self.maxInFlight = maxInFlight
        self.deviceDeadlineSeconds = deviceDeadlineSeconds
        self.onFailure = onFailure
    }
}

/// Where a device stands in a rollout (DESIGN section 6).
package enum DeviceRolloutState: String, Sendable, Codable, CaseIterable {
    case pending, offered, downloading, verifying, probing, switching, soaking, succeeded
    case failed, rolledBack, skipped, unreachable, superseded

    /// Whether the device's part is over.
    package var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .rolledBack, .skipped, .unreachable, .superseded: true
        default: false
        }
    }

    /// Whether the device is at work on the rollout now.
    package var isInFlight: Bool { !isFinal && self != .pending }
}

/// The state of a rollout (DESIGN section 6).
package enum RolloutState: String, Sendable, Codable, CaseIterable {
    case draft, running, paused, completed, rollingBack, rolledBack, aborted

    /// Whether nothing more will happen.
    package var isFinal: Bool { self == .completed || self == .rolledBack || self == .aborted }
}
