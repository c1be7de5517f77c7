import AgentEngine
import AgentStore
import MartletAPI
import MartletTypes
import RegistryClient

/// A registry that keeps what it is told, and fails as a test wants.
actor FakeUplink: UplinkPeer {
    /// What happens to one call.
    enum Fate: Sendable {
        case taken
        /// The registry is not reached.
        case unreachable
        /// The registry takes it, and its answer is lost.
        case answerLost
        /// The registry refuses the content.
        case refused(Int)
    }

    private(set) var reports: [DeviceReport] = []
    private(set) var calls: [Int] = []
    private(set) var exports: [(sequence: Int64, body: [UInt8])] = []
    private(set) var inventories = 0
    /// Sequence numbers that are never taken.
    private var poison: Set<Int64> = []
    private var fates: [Fate] = []
    private var receipt: Int64?

    func set(fates: [Fate] = [], poison: Set<Int64> = [], receipt: Int64? = nil) {
        self.fates = fates
        self.poison = poison
        self.receipt = receipt
    }

    var distinctReports: [Int64] {
        var seen: Set<Int64> = []
        return reports.map(\.sequence).filter { seen.insert($0).inserted }
    }

    private func nextFate() throws -> Fate {
        let fate = fates.isEmpty ? Fate.taken : fates.removeFirst()
        switch fate {
        case .unreachable: throw ClientError(.cannotConnect, "POST", "no route")
        case .refused(let status): throw ClientError(.unexpectedStatus, "POST", "no", status: status)
        case .taken, .answerLost: return fate
        }
    }

    func report(_ batch: ReportBatch) async throws -> ReportReceipt {
        calls.append(batch.reports.count)
        let fate = try nextFate()
        if batch.reports.contains(where: { poison.contains($0.sequence) }) {
            throw ClientError(.unexpectedStatus, "POST", "no", status: 422)
        }
        reports += batch.reports
        if case .answerLost = fate { throw ClientError(.connectionLost, "POST", "gone") }
        return ReportReceipt(highest: receipt ?? batch.reports.last?.sequence ?? 0)
    }

    func telemetry(_ export: [UInt8], journal: JournalID, sequence: Int64) async throws {
        let fate = try nextFate()
        if poison.contains(sequence) { throw ClientError(.unexpectedStatus, "POST", "no", status: 400) }
        exports.append((sequence, export))
        if case .answerLost = fate { throw ClientError(.connectionLost, "POST", "gone") }
    }

    func put(_ inventory: Inventory) async throws {
        _ = try nextFate()
        inventories += 1
    }
}
