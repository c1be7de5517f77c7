package import MartletTypes

/// What an engine may take of the machine.
package struct EngineLimits: Sendable, Hashable {
    /// The most memory of one engine; nil sets no limit.
    package var memory: ByteCount?
    /// The most processor time of a slot's engines together, in hundredths of one processor; nil sets no limit.
    package var cpuPercent: Int?

    package init(memory: ByteCount? = nil, cpuPercent: Int? = nil) {
        self.memory = memory
        self.cpuPercent = cpuPercent
    }

    package init(_ residency: SlotResidency?) {
        self.init(memory: residency?.memoryMiB.map { .mebibytes(Int64($0)) }, cpuPercent: residency?.cpuPercent)
    }

    package var isEmpty: Bool { memory == nil && cpuPercent == nil }

    /// For people.
    var text: String {
        let parts = [memory.map { "memory \($0)" }, cpuPercent.map { "\($0) % of a processor" }]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}
