import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine
import TUF
import Trust

/// What devices may do: enrol, renew, say what they are and what happened, and learn what they shall run.
struct DeviceService: Sendable {
    let core: RegistryCore
    let metadata: MetadataService
    let rollouts: RolloutService

    /// Keeps what a device is and what its slots run.
    func keep(_ inventory: Inventory, of device: DeviceID) async throws {
        let core = core
        guard inventory.slots.count <= Limits.slotsPerDevice else {
            throw ServerError.badRequest("A device has at most \(Limits.slotsPerDevice) slots.", field: "/slots")
        }
        let row = InventoryRow(
            profile: inventory.profile, agentVersion: inventory.agentVersion,
            document: try JSONValue(parsing: try JSONText.encode(inventory)),
            slots: inventory.slots.mapValues {
                ReportedSlot(
                    current: $0.current, previous: $0.previous, generation: $0.generation, serving: $0.serving,
                    weights: $0.weights, variant: $0.variant, override: $0.override)
            })
        try await core.database.write { sql in
            try DeviceStore(sql).setInventory(device, row, now: core.clock())
            try ChangeLog(sql).append(topic: .device, [device.text])
        }
        core.changes.announce(.device, CollectionOfOne(device.text))
    }

    /// Keeps reports, each once, and lets open rollouts react to them in the same transaction.
    func keep(_ batch: ReportBatch, of device: DeviceID) async throws -> ReportReceipt {
        guard batch.reports.count <= ServerLimits.reportsPerBatch else {
            throw ServerError.badRequest(
                "A batch has at most \(ServerLimits.reportsPerBatch) reports.", field: "/reports")
        }
        let rows = try batch.reports.enumerated().map { index, report in
            guard report.sequence > 0 else {
                throw ServerError.badRequest("A sequence number is at least 1.", field: "/reports/\(index)/sequence")
            }
            return try ReportRow(report)
        }
        let highest: Int64? = try await rollouts.drive { driver in
            guard try DeviceStore(driver.sql).noteJournal(device, batch.journal, now: driver.now) else { return nil }
            let (fresh, highest) = try ReportStore(driver.sql).accept(device, batch.journal, rows, now: driver.now)
            for report in fresh {
                guard let slot = report.slot, let state = report.state, let generation = report.generation else {
                    continue
                }
                for id in try RolloutStore(driver.sql).open(slot: slot, device: device) {
                    try driver.tell(
                        .reported(
                            RolloutEvent.DeviceReport(
                                device: device, generation: generation, state: state, code: report.code,
                                message: report.message, evaluation: report.evaluation, shadow: report.shadow)), id)
                }
            }
            if !fresh.isEmpty { try ChangeLog(driver.sql).append(topic: .device, [device.text]) }
            return highest
        }
        guard let highest else { throw foundClone(device.text) }
        core.changes.announce(.device, CollectionOfOne(device.text))
        return ReportReceipt(highest: highest)
    }
}

extension ReportRow {
    init(_ report: DeviceReport) throws {
        self.init(
            sequence: report.sequence, time: report.time, slot: report.slot, generation: report.generation,
            rollout: report.rollout, releases: report.releases, state: report.state, code: report.code,
            message: report.message,
            figures: try report.figures.map { try JSONValue(parsing: try JSONText.encode($0)) },
            evaluation: report.figures?.evaluation, shadow: report.figures?.shadow)
    }
}
