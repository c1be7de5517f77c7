package import MartletTypes

/// What a running agent says of itself over its control socket.
package struct AgentStatus: Sendable, Hashable, Codable {
    /// The device and its agent.
    package struct Agent: Sendable, Hashable, Codable {
        package var device: DeviceID
        package var registry: String
        package var version: String
        package var started: Timestamp
        /// When the device's certificate ends.
        package var certificateEnds: Timestamp
        /// The highest assignment that was accepted; 0 before the first.
        package var assignment: Int64
        /// Where the gateway listens, e.g. `127.0.0.1:8080`.
        package var gateway: String
        package var profile: String
        /// Bytes of blobs in the store; nil where the disk does not tell.
        package var storeBytes: ByteCount?
        /// Reports that wait for the registry, counted up to a bound.
        package var waitingReports: Int
        /// Why nothing is installed by this clock; nil where it is right.
        package var clockDistrust: String?
        /// Why the registry gives this device nothing, e.g. that it waits for approval; nil where it does.
        package var refusal: String?
        /// What is wrong with the device as a whole, e.g. that its disk takes no writes.
        package var problems: [DeviceProblem] = []
        /// The memory that all slots share.
        package var memory: Memory?
    }

    /// The memory that all slots share.
    package struct Memory: Sendable, Hashable, Codable {
        /// What engines may take together; nil where the box does not tell its memory.
        package var budget: ByteCount?
        /// What those that run take by the estimate, files that several map counted once.
        package var taken: ByteCount
        /// How limits of single engines are kept.
        package var limits: String
    }

    /// One slot.
    package struct Slot: Sendable, Hashable, Codable {
        package var slot: SlotName
        /// Where the slot stands, e.g. `committed`, `fetching`.
        package var phase: String
        package var serving: Bool
        package var current: [ReleasePath]
        package var previous: [ReleasePath]
        package var assigned: [ReleasePath]
        /// The slot's generation in the assignment.
        package var generation: Int64
        /// A local decision against the assignment: code and sentence.
        package var override: String?
        /// When what is assigned is tried again.
        package var retryAt: Timestamp?
        /// Whether its engine runs, and why not, for people.
        package var engine: String?
        /// What its engine takes by the estimate; nil where none runs.
        package var memory: ByteCount?
        /// How the limits of its assignment are kept; nil where it has none.
        package var limits: String?
        /// The last steps, newest first.
        package var history: [Step]
    }

    /// One line of a slot's history.
    package struct Step: Sendable, Hashable, Codable {
        package var time: Timestamp
        package var phase: String
        package var cause: String
    }

    package var agent: Agent
    package var slots: [Slot]

    package init(agent: Agent, slots: [Slot]) {
        self.agent = agent
        self.slots = slots
    }
}

extension AgentStatus {
    /// One line of an answer: exactly one member is there.
    struct Line: Codable {
        struct Failure: Codable, Hashable, Sendable {
            var code: String
            var message: String
            var remedy: String
        }

        var agent: Agent?
        var slot: Slot?
        var error: Failure?
        /// Ends an answer that is whole.
        var end: Bool?
    }

    /// The answer to `status`: a line for the agent, one for each slot, and one that ends it.
    func lines() throws -> [UInt8] {
        let lines = [Line(agent: agent)] + slots.map { Line(slot: $0) } + [Line(end: true)]
        return try lines.flatMap { try JSONText.encode($0) + [UInt8(ascii: "\n")] }
    }

    /// The answer that says what went wrong.
    static func failure(_ error: any Error) throws -> [UInt8] {
        try JSONText.encode(Line(error: Line.Failure(error))) + [UInt8(ascii: "\n")]
    }

    /// Reads an answer. Throws what it reports, or `badAnswer` where it is cut off or something else.
    init(lines bytes: [UInt8]) throws {
        var agent: Agent?
        var slots: [Slot] = []
        var isWhole = false
        for text in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let line = try? JSONText.decode(Line.self, from: text) else { throw Self.malformed }
            if let error = line.error {
                throw ReportedFailure(code: error.code, message: error.message, remedy: error.remedy)
            }
            agent = line.agent ?? agent
            if let slot = line.slot { slots.append(slot) }
            isWhole = line.end ?? false
        }
        guard let agent, isWhole else { throw Self.malformed }
        self.init(agent: agent, slots: slots)
    }

    private static let malformed = AgentError(
        .badAnswer, "The agent's answer is cut off or of another version.",
        remedy: "Ask again; use the same version for both.", fault: .peer)
}

/// What the other end of the control socket says went wrong.
struct ReportedFailure: MartletError {
    let code: String
    let message: String
    let remedy: String
    var fault: ErrorFault { .environment }
}
