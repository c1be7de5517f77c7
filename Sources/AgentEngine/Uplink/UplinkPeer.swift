package import MartletAPI
package import MartletTypes
internal import RegistryClient
internal import Telemetry

/// The registry as those see it who tell it something.
package protocol UplinkPeer: Sendable {
    func report(_ batch: ReportBatch) async throws -> ReportReceipt
    func telemetry(_ export: [UInt8], journal: JournalID, sequence: Int64) async throws
    func put(_ inventory: Inventory) async throws
}

extension RegistryLink: UplinkPeer {
    package func report(_ batch: ReportBatch) async throws -> ReportReceipt {
        try await device().report(batch)
    }

    package func telemetry(_ export: [UInt8], journal: JournalID, sequence: Int64) async throws {
        let coding = CompressedExport.isCompressed(export) ? CompressedExport.contentCoding : nil
        try await device().telemetry(export, coding: coding, journal: journal, sequence: sequence)
    }

    package func put(_ inventory: Inventory) async throws {
        try await device().put(inventory)
    }
}

/// What a failed call means for what was to be sent.
struct UplinkFailure {
    /// The registry understood and refuses the content itself: the same bytes will never be taken.
    let isContentRefused: Bool
    /// Time that the registry asked to wait.
    let asked: Duration?

    init(_ error: any Error) {
        guard let error = error as? ClientError else {
            isContentRefused = false
            asked = nil
            return
        }
        isContentRefused = [400, 413, 415, 422].contains(error.status)
        asked = error.retryAfterSeconds.map { .seconds($0) }
    }
}
