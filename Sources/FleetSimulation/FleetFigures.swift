package import MartletTypes

/// What a fleet has done so far, as counts.
package struct FleetFigures: Sendable, Hashable, Codable {
    /// Devices that the simulation has.
    package var devices = 0
    package var enrolled = 0
    /// Devices that the registry does not take for good, by its code.
    package var turnedAway: [String: Int] = [:]
    /// Devices with a connection now.
    package var connected = 0
    /// Devices that wait in a poll now.
    package var parked = 0
    /// Devices that are away now.
    package var away = 0
    /// Connections that were made.
    package var connections = 0
    /// Polls that were answered.
    package var polls = 0
    /// Assignments that came, were signed by the director and above the device's number.
    package var assignments = 0
    /// Reports that the registry has taken.
    package var reports = 0
    package var inventories = 0
    package var exports = 0
    /// Bytes of releases that were read.
    package var bytesFetched: Int64 = 0
    /// Installations that ended, by their state.
    package var outcomes: [String: Int] = [:]
    /// Installations that failed, by their code.
    package var failures: [String: Int] = [:]
    /// Answers other than success, by status and code.
    package var refusals: [String: Int] = [:]
    /// Calls without a whole answer, those cut on purpose not among them.
    package var lost = 0
    /// Assignments that did not hold, by code.
    package var distrusted: [String: Int] = [:]

    package init() {}

    /// One line for people.
    package var line: String {
        var parts = [
            "\(enrolled) of \(devices) enrolled", "\(parked) parked", "\(assignments) assignments",
            "\(reports) reports",
        ]
        if away > 0 { parts.append("\(away) away") }
        parts += outcomes.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        if lost > 0 { parts.append("\(lost) calls lost") }
        parts += (refusals.merging(distrusted) { $1 }).sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
        return parts.joined(separator: ", ")
    }
}

/// Something that a device did, for whoever measures: one JSON object on a line.
package struct FleetEvent: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Codable {
        case enrolled, turnedAway, assignment, outcome, left
    }

    /// Milliseconds since 1970 by the clock of the machine.
    package var time: Int64
    package var event: Kind
    package var device: DeviceID
    /// The number of an assignment.
    package var number: Int64?
    package var rollout: RolloutID?
    package var state: DeviceRolloutState?
    package var code: String?

    init(
        _ event: Kind, _ device: DeviceID, at time: Timestamp, number: Int64? = nil, rollout: RolloutID? = nil,
        state: DeviceRolloutState? = nil, code: String? = nil
    ) {
        self.time = time.milliseconds
        self.event = event
        self.device = device
        self.number = number
        self.rollout = rollout
        self.state = state
        self.code = code
    }
}
