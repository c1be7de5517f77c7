/// How a slot lives beside the others of its device: when its engine runs, what goes first where memory is short, and
/// what its engine may take. Declared in the assignment, so that it rolls out and back with the slot's settings.
package struct SlotResidency: Sendable, Hashable, Codable {
    /// When the slot's engine runs.
    package enum Start: String, Sendable, Codable, CaseIterable {
        /// From the agent's start on, and never ended to make room.
        case always
        /// From the agent's start on where memory allows, else from its next request on.
        case ifRoom
        /// From its next request on.
        case onDemand
    }

    /// When its engine runs; nil is `ifRoom`.
    package var start: Start?
    /// Slots with a higher number are ended later to make room; nil is 0.
    package var priority: Int?
    /// Seconds without a request after which its engine is ended until the next; 0 never ends it, nil is the device's
    /// own number.
    package var idleSeconds: Int?
    /// The most memory that an engine of the slot may take, in MiB; nil sets no limit.
    package var memoryMiB: Int?
    /// The most processor time of the slot, in hundredths of one processor (150 is one and a half); nil sets no limit.
    package var cpuPercent: Int?

    package init(
        start: Start? = nil, priority: Int? = nil, idleSeconds: Int? = nil, memoryMiB: Int? = nil,
        cpuPercent: Int? = nil
    ) {
        self.start = start
        self.priority = priority
        self.idleSeconds = idleSeconds
        self.memoryMiB = memoryMiB
        self.cpuPercent = cpuPercent
    }

    /// Which member is out of its range, and the range; nil where all are sound.
    package var violation: (name: String, range: ClosedRange<Int>)? {
        let members: [(String, Int?, ClosedRange<Int>)] = [
            ("priority", priority, Limits.slotPriority), ("idleSeconds", idleSeconds, Limits.slotIdleSeconds),
            ("memoryMiB", memoryMiB, Limits.slotMemoryMiB), ("cpuPercent", cpuPercent, Limits.slotCPUPercent),
        ]
        for (name, value, range) in members {
            if let value, !range.contains(value) { return (name, range) }
        }
        return nil
    }

    /// Nil where nothing is said, so that the same settings have one form.
    package var orNil: SlotResidency? { self == SlotResidency() ? nil : self }
}

extension Limits {
    /// Priorities of slots: more steps than a device has slots.
    package static let slotPriority = -100...100
    /// Idle times of slots, in seconds: a month says the same as never.
    package static let slotIdleSeconds = 0...2_592_000
    /// Memory of one engine, in MiB: below 16 no engine starts.
    package static let slotMemoryMiB = 16...16_777_216
    /// Processor time, in hundredths of one processor: below 5 an engine does not get through its own start.
    package static let slotCPUPercent = 5...51_200
}
