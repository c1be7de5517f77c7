import ArgumentParser
import MartletTypes

/// How a slot lives beside the others of its device.
struct ResidencyOptions: ParsableArguments {
    @Option(name: .customLong("start"), help: "When the slot's engine runs: always, ifRoom or onDemand.")
    var start: SlotResidency.Start?
    @Option(help: "Slots with a higher number make room for others later: -100 to 100.") var priority: Int?
    @Option(help: "Seconds without a request after which its engine is ended until the next; 0 never ends it.")
    var idleSeconds: Int?
    @Option(name: .customLong("memory-mib"), help: "The most memory of the slot's engine, in MiB.") var memoryMiB: Int?
    @Option(help: "The most processor time of the slot, in percent of one processor.") var cpuPercent: Int?

    /// Nil where nothing is said.
    var residency: SlotResidency? {
        SlotResidency(
            start: start, priority: priority, idleSeconds: idleSeconds, memoryMiB: memoryMiB, cpuPercent: cpuPercent
        ).orNil
    }

    func validate() throws {
        guard let wrong = residency?.violation else { return }
        throw ValidationError("\(wrong.name) is not between \(wrong.range.lowerBound) and \(wrong.range.upperBound).")
    }
}

extension SlotResidency.Start: ExpressibleByArgument {}
