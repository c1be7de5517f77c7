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
        logger.warning("blobRotten", metadata: ["blob": "\(blob)", "release": "\(release.reference)"])
        do {
            for slot in try await journal.slots() {
                for record in [slot.current, slot.previous].compactMap(\.self) where record.blobs.contains(blob) {
                    suspect(record)
                }
            }
            let report = DeviceReport(
                sequence: 0, time: time, releases: [release], code: "blobRotten",
                message: "\(blob) of \(release.reference) is damaged on this device; it is fetched again.")
            try await journal.report(ReportBody.write(report))
        } catch {
            // The weekly round finds it.
            logger.warning("damaged blob not looked into", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }
}
