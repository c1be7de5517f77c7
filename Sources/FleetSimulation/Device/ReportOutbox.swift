package import MartletAPI
package import MartletTypes

/// The reports of one device that the registry does not have yet, and how it sends them.
///
/// Sequence numbers rise by one, nothing is left out, and whatever manners the profile gives it are within the
/// protocol: at least once, in any packing.
package struct ReportOutbox: Sendable {
    private struct Waiting: Sendable {
        let report: DeviceReport
        let notBefore: Timestamp
    }

    /// The number of the newest report.
    package private(set) var sequence: Int64 = 0
    private var waiting: [Waiting] = []
    /// Batches that are sent once more though they were taken.
    private var again: [ReportBatch] = []
    /// Batches that come once more after a newer one.
    private var stale: [ReportBatch] = []
    private var batches: UInt64 = 0
    private var wasAnswerLost = false

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty && again.isEmpty }
    /// When the next report may be sent; nil where none waits.
    var due: Timestamp? { again.isEmpty ? waiting.first?.notBefore : Timestamp(milliseconds: 0) }

    /// Takes a report in under the next number.
    package mutating func add(_ report: DeviceReport, notBefore: Timestamp) {
        sequence += 1
        var numbered = report
        numbered.sequence = sequence
        // In order: none overtakes one that is held back.
        let moment = max(notBefore, waiting.last?.notBefore ?? notBefore)
        waiting.append(Waiting(report: numbered, notBefore: moment))
        if waiting.count > SimulationLimits.waitingReports { waiting.removeFirst() }
    }

    /// What is sent now, and whether its answer gets lost.
    package mutating func next(
        _ now: Timestamp, _ traits: DeviceTraits, _ manners: ReportManners
    ) -> (batch: ReportBatch, isAnswerLost: Bool)? {
        if let repeated = again.first { return (repeated, false) }
        let ready = waiting.prefix { $0.notBefore <= now }.prefix(SimulationLimits.batchReports).map(\.report)
        guard !ready.isEmpty else { return nil }
        var random = traits.random("batch \(batches)")
        let isReversed = random.happens(manners.reversed)
        let batch = ReportBatch(journal: traits.journal, reports: isReversed ? ready.reversed() : ready)
        let isAnswerLost = random.happens(manners.lostAnswer) && !wasAnswerLost
        wasAnswerLost = isAnswerLost
        return (batch, isAnswerLost)
    }

    /// The registry has everything up to the receipt.
    package mutating func confirmed(
        _ batch: ReportBatch, _ receipt: ReportReceipt, _ traits: DeviceTraits, _ manners: ReportManners
    ) {
        let isNews = waiting.contains { $0.report.sequence <= receipt.highest }
        waiting.removeAll { $0.report.sequence <= receipt.highest }
        guard isNews else {
            again.removeAll { Self.isSame($0, batch) }
            return
        }
        // What is older than the batch that was just taken comes now, out of order.
        again += stale
        stale = []
        var random = traits.random("copies \(batches)")
        batches += 1
        if random.happens(manners.doubled) { again.append(batch) }
        if random.happens(manners.repeatedLater) { stale.append(batch) }
    }

    /// Gives up what the registry refuses.
    package mutating func drop(_ batch: ReportBatch) {
        let refused = Set(batch.reports.map(\.sequence))
        waiting.removeAll { refused.contains($0.report.sequence) }
        again.removeAll { Self.isSame($0, batch) }
    }

    private static func isSame(_ left: ReportBatch, _ right: ReportBatch) -> Bool {
        left.reports.map(\.sequence) == right.reports.map(\.sequence)
    }
}
