internal import AgentStore
internal import Logging
internal import MartletAPI
internal import MartletTypes

extension RepairOrders {
    /// Tells of a blob that was found damaged while a release of it was to be installed, and has every generation
    /// looked at that needs it too: an engine may have it open.
    func suspect(
        _ blob: Digest, of release: ReleasePath, in journal: Journal, at time: Timestamp, _ logger: Logger
    ) async {
        logger.warning("\(SlotFailure.rottenCode)", metadata: ["blob": "\(blob)", "release": "\(release.reference)"])
        do {
            for slot in try await journal.slots() {
                for record in slot.kept where record.blobs.contains(blob) {
                    suspect(record)
                }
            }
            let report = DeviceReport(
                sequence: 0, time: time, releases: [release], code: SlotFailure.rottenCode,
                message: SlotFailure.isRotten(blob, of: release.reference))
            try await journal.report(ReportBody.write(report))
        } catch {
            // The weekly round finds it.
            logger.warning("damaged blob not looked into", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }
}

extension SlotFailure {
    /// Code of a file that is not any more what it was when it came.
    static let rottenCode = "blobRotten"

    /// The sentence about it, wherever it is told.
    static func isRotten(_ blob: Digest, of names: String) -> String {
        "\(blob) of \(names) is damaged on this device; it is fetched again."
    }

    /// Nothing that a release, or the way to it, is to be counted for: it is brought again.
    static func rotten(_ blob: Digest, of names: String) -> SlotFailure {
        SlotFailure(.transport, code: rottenCode, message: isRotten(blob, of: names))
    }
}
