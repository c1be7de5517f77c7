internal import AgentStore
internal import Logging
internal import MartletTypes

extension RepairOrders {
    /// Has every generation looked at that needs a blob which was found damaged: an engine may have it open.
    func suspect(_ blob: Digest, in journal: Journal, _ logger: Logger) async {
        do {
            for slot in try await journal.slots() {
                for record in [slot.current, slot.previous].compactMap(\.self) where record.blobs.contains(blob) {
                    suspect(record)
                }
            }
        } catch {
            // The weekly round finds it.
            logger.warning("damaged blob not looked into", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }
}
