package import AgentStore
package import MartletAPI
internal import MartletTypes

/// Which reports go together, and what follows from the registry's answer. No I/O.
struct ReportQueue {
    /// Reports to be sent at once.
    struct Load {
        var batch: ReportBatch
        /// The last sequence number that is in it or was passed over.
        var through: Int64
        /// Rows that hold no report; they are passed over, or they would hold up all others.
        var unreadable: [Int64]
    }

    /// What to do after a refusal.
    enum Refusal: Equatable {
        /// Try again after this.
        case wait(Duration)
        /// Try again at once with fewer.
        case split
        /// This one report is never taken: drop it and go on.
        case drop(Int64)
    }

    /// How many are sent at once; fewer while the one is looked for that the registry refuses.
    private(set) var limit = AgentLimits.reportsPerCall
    private var backoff = Backoff()

    /// Failed calls in a row.
    var failures: Int { backoff.failures }

    /// A body's share of a call, with room for the frame around it.
    private static let batchBytes = Limits.apiBodyBytes - 4096

    /// As many of the oldest as fit into one call.
    func load(_ queued: [Queued], journal: JournalID) -> Load {
        var load = Load(batch: ReportBatch(journal: journal, reports: []), through: 0, unreadable: [])
        var bytes = 0
        for row in queued.prefix(limit) {
            guard bytes + row.body.count <= Self.batchBytes || bytes == 0 else { break }
            load.through = row.sequence
            guard row.body.count <= Self.batchBytes, let report = ReportBody.read(row) else {
                load.unreadable.append(row.sequence)
                continue
            }
            bytes += row.body.count + 1
            load.batch.reports.append(report)
        }
        return load
    }

    /// The registry took the load. Throws `badAnswer` where its receipt does not cover it.
    mutating func confirmed(_ receipt: ReportReceipt, _ load: Load) throws {
        guard let last = load.batch.reports.last, receipt.highest >= last.sequence else {
            throw AgentError(
                .badAnswer,
                "The registry says that it holds reports up to \(receipt.highest), after it was sent later ones.",
                remedy: "See the registry's log for this device.", fault: .peer)
        }
        limit = min(limit * 2, AgentLimits.reportsPerCall)
        backoff.reset()
    }

    /// The call failed.
    mutating func refused(_ error: any Error, _ load: Load, random: Double) -> Refusal {
        let failure = UplinkFailure(error)
        guard failure.isContentRefused, let first = load.batch.reports.first else {
            return .wait(backoff.next(random: random, asked: failure.asked))
        }
        guard load.batch.reports.count > 1 else { return .drop(first.sequence) }
        limit = max(1, load.batch.reports.count / 2)
        return .split
    }
}

/// A report as it waits in the journal.
package enum ReportBody {
    /// The bytes of a report; its sequence number is that of its row, given when it is sent.
    package static func write(_ report: DeviceReport) throws -> [UInt8] { try JSONText.encode(report) }

    /// The report in a row; nil where there is none.
    package static func read(_ row: Queued) -> DeviceReport? {
        guard var report = try? JSONText.decode(DeviceReport.self, from: row.body) else { return nil }
        report.sequence = row.sequence
        return report
    }
}
