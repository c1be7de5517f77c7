import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

/// Rollbacks of many devices: a queue in the database, of which each transaction takes some.
extension RolloutService {
    /// Devices that an answer names as passed over; the rest are counted.
    private static let skippedNamed = 100

    /// What one step of a rollback did.
    struct TakenBack {
        var skipped: [DeviceID: String]
        /// Slots whose turn comes.
        var following: Int
    }

    /// Takes the next devices of a rollback back, and ends it where none is left.
    static func takeBack(_ row: RollbackRow, _ driver: inout RolloutDriver) throws -> TakenBack {
        let request: RollbackRequest = try value(row.request)
        let reach: Reach = try value(row.reach)
        let store = RollbackStore(driver.sql)
        let places = try store.waiting(row.id, limit: RolloutLimits.commandsPerStep)
        let within = try RolloutReach(reach, driver.sql)
        let step = try moves(places, request, by: row.actor, reach, within, driver)
        try driver.move(step.moves, by: row.actor)
        for (place, reason) in step.skipped { try store.skip(place, because: reason) }
        try store.remove(step.unseen)
        let following = try store.waitingCount(row.id)
        try store.note(row.id, moved: step.moves.count, finished: following == 0 ? driver.now : nil)
        if following == 0 {
            try AuditLog(driver.sql).append(
                actor: row.actor, action: "rollback.finish", subject: subject(request),
                detail: .object([
                    "rollback": .string(row.id), "places": .integer(Int64(row.places)),
                    "moved": .integer(Int64(try store.find(row.id)?.moved ?? 0)),
                ]), now: driver.now)
        }
        return TakenBack(skipped: step.skippedDevices, following: following)
    }

    /// One step of the oldest rollback that is under way, which `admit` may refuse; returns whether more is to be done
    /// at once.
    func takeBackNext(_ admit: @escaping @Sendable (any SQLConnection) throws -> Void) async throws -> Bool {
        guard try await core.database.read({ try RollbackStore($0).next() }) != nil else { return false }
        return try await drive { driver in
            try admit(driver.sql)
            guard let row = try RollbackStore(driver.sql).next() else { return false }
            let step = try Self.takeBack(row, &driver)
            return try step.following > 0 || RollbackStore(driver.sql).next() != nil
        }
    }

    /// How far a rollback is; 404 `unknownRollback` where there is none, and for a caller with other limits than those
    /// under which it was asked for.
    func rollback(_ id: String, within reach: Reach) async throws -> RollbackProgress {
        try await core.database.read { sql in
            let store = RollbackStore(sql)
            guard let row = try store.find(id), try reach.limits.isEmpty || Self.value(row.reach) == reach else {
                throw ServerError.notFound(
                    "unknownRollback", "There is no rollback \(id) of many devices.",
                    remedy: "`martlet audit list` shows what was taken back.")
            }
            let skipped = try store.skipped(id, limit: Self.skippedNamed)
            return RollbackProgress(
                id: row.id, created: row.created, createdBy: row.actor, places: row.places, moved: row.moved,
                following: try store.waitingCount(id),
                skipped: Dictionary(skipped.map { ($0.place.device, $0.reason) }) { first, _ in first },
                finished: row.finished)
        }
    }

    static func text(_ value: some Encodable) throws -> String {
        String(decoding: try JSONText.encode(value), as: UTF8.self)
    }

    private static func value<Value: Decodable>(_ text: String) throws -> Value {
        try JSONText.decode(Value.self, from: Array(text.utf8))
    }
}
