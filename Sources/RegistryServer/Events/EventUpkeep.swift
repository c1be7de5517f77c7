import Logging
import MartletTypes
import RegistryStore
import ServiceLifecycle

/// What of events must be done from time to time, by one replica: tell of devices that are silent, forget what is old.
struct EventUpkeep: Service {
    let core: RegistryCore
    /// Who holds the lease: one name for each process.
    let owner: String

    private static let lease = "events"
    private static let leaseLife = Duration.seconds(120)

    func run() async throws {
        let upkeep = self
        // A registry that was down has heard of nobody: silence counts from when it could have listened.
        let start = core.clock()
        try await Heartbeat.each(ServerLimits.eventUpkeepInterval) {
            do {
                try await upkeep.beat(since: start)
            } catch let error as StoreError where error.kind == .leaseLost {
                return
            } catch {
                upkeep.core.logger.error("cannot keep up the log of events", metadata: ["error": "\(error)"])
            }
        }
    }

    /// One beat; `start` is when the registry began to listen.
    func beat(since start: Timestamp) async throws {
        let core = core
        let owner = owner
        let now = core.clock()
        let lease = try await core.database.write {
            try LeaseStore($0).acquire(Self.lease, owner: owner, for: Self.leaseLife, now: now)
        }
        guard let lease else { return }
        if now - start >= ServerLimits.deviceSilence {
            try await core.database.write { sql in
                try LeaseStore(sql).check(lease)
                _ = try SilenceStore(sql).note(
                    before: now - ServerLimits.deviceSilence, limit: ServerLimits.silencesAtOnce, now: now)
            }
        }
        try await core.database.write { sql in
            try LeaseStore(sql).check(lease)
            try DeliveryStore(sql).prune(
                delivered: now - ServerLimits.deliveredLife, dead: now - ServerLimits.eventLife)
            _ = try EventLog(sql).prune(before: now - ServerLimits.eventLife)
        }
    }
}

extension ServerLimits {
    /// How often silent devices and old events are looked for.
    static let eventUpkeepInterval = Duration.seconds(60)
    /// After this without a word a device counts as silent: many polls, and longer than any restart.
    static let deviceSilence = Duration.seconds(3600)
    /// Silent devices that are told of in one transaction.
    static let silencesAtOnce = 500
    /// How long events, and deliveries that were given up, are kept.
    static let eventLife = Duration.seconds(30 * 86_400)
    /// How long deliveries that arrived are kept.
    static let deliveredLife = Duration.seconds(3 * 86_400)
    /// Streams of events at once.
    static let eventStreams = 200
    /// Events that are read for one stream at once: all that it holds in memory. It reads on when they are written.
    static let eventBatch = 100
    /// How long one write to a stream may take before its reader counts as gone.
    static let eventWriteLife = Duration.seconds(60)
    /// Events before the newest with which a stream may begin.
    static let eventsBefore: Int64 = 1000
}
