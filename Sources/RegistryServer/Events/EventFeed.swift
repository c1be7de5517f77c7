import Logging
import MartletTypes
import RegistryStore
import ServiceLifecycle
import Synchronization

/// Wakes streams and webhooks when the log of events grew, whichever replica wrote it.
struct EventFeed: Service {
    let core: RegistryCore
    /// How often the log is looked at: one read of one row.
    static let interval = Duration.milliseconds(250)

    func run() async throws {
        let core = core
        let last = Mutex<Int64?>(nil)
        try await Heartbeat.each(Self.interval) {
            do {
                let newest = try await core.database.read { try EventLog($0).newest() }
                let isNew = last.withLock { last in
                    defer { last = newest }
                    return last != newest
                }
                if isNew { core.changes.announce(.event, CollectionOfOne("")) }
            } catch {
                core.logger.error("cannot look for events", metadata: ["error": "\(error)"])
            }
        }
    }
}
