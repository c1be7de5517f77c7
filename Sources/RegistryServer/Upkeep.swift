import Logging
import MartletTypes
import RegistryStore
import ServiceLifecycle

/// What must be done from time to time: sign metadata again, write when devices were seen, forget what is over.
struct Upkeep: Service {
    let core: RegistryCore
    let metadata: MetadataService

    func run() async throws {
        let (core, metadata) = (core, metadata)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Heartbeat.each(.seconds(30)) {
                    await Self.attempt("sign metadata again", core) { try await metadata.renew() }
                }
            }
            group.addTask {
                try await Heartbeat.each(.seconds(86_400), atOnce: true) {
                    await Self.attempt("look what ends soon", core) { try await metadata.warnOfEnds() }
                }
            }
            group.addTask {
                try await Heartbeat.each(ServerLimits.seenGranularity) {
                    await Self.attempt("note when devices were seen", core) {
                        try await core.presence.flush(to: core.database)
                    }
                }
            }
            group.addTask {
                try await Heartbeat.each(.seconds(600)) {
                    await Self.attempt("forget what is over", core) {
                        let now = core.clock()
                        _ = try await core.blobs.expireUploads(untouchedSince: now - ServerLimits.uploadLife)
                        _ = try await core.database.write {
                            try IdempotencyStore($0).prune(before: now - ServerLimits.idempotencyLife)
                        }
                        _ = try await core.database.write { try JoinTokenStore($0).prune(before: now) }
                        _ = try await core.database.write {
                            try TelemetryStore($0).prune(
                                before: now - .seconds(Int64(ServerLimits.telemetryMinutes) * 60))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        await Self.attempt("note when devices were seen", core) { try await core.presence.flush(to: core.database) }
    }

    /// One failure (a full disk) must not end the registry: it is logged, and tried again at the next beat.
    private static func attempt(_ what: String, _ core: RegistryCore, _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            core.logger.error("cannot \(what)", metadata: ["error": "\(error)"])
        }
    }
}
