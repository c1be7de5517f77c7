import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Pauses, resumes, aborts or rolls back; throws 409 where the rollout's state does not permit it, 404 where the
    /// caller does not reach it.
    func change(
        _ id: RolloutID, _ action: RolloutAction, by actor: String, within reach: Reach, reason: String = ""
    ) async throws -> RolloutInfo {
        try await drive { driver in
            _ = try RolloutReach(reach, driver.sql).find(id)
            let row = try Self.steer(id, action, by: actor, reason: reason, &driver)
            return try Self.info(row, driver.sql, isWhole: true)
        }
    }

    @discardableResult
    static func steer(
        _ id: RolloutID, _ action: RolloutAction, by actor: String, reason: String, _ driver: inout RolloutDriver
    ) throws -> RolloutRow {
        var row = try find(id, driver.sql)
        let event: RolloutEvent =
            switch action {
            case .pause: .pause(by: actor, reason: reason)
            case .resume: .resume(by: actor, reason: reason)
            case .abort: .abort(by: actor, reason: reason)
            case .rollback: .rollback(by: actor, reason: reason)
            }
        guard row.run.permits(event) else {
            throw ServerError.conflict(
                "rolloutState",
                "Rollout \(id) is \(row.run.header.state.rawValue): \(action.rawValue) is not possible.",
                remedy: "`martlet rollout show \(id)` shows where it stands.")
        }
        try AuditLog(driver.sql).append(
            actor: actor, action: "rollout.ask.\(action.rawValue)", subject: id.text,
            detail: .object(["reason": .string(reason)]), now: driver.now)
        try driver.tell(event, &row)
        return row
    }

    static func find(_ id: RolloutID, _ sql: any SQLConnection) throws -> RolloutRow {
        guard let row = try RolloutStore(sql).find(id) else { throw unknown(id) }
        return row
    }

    static func unknown(_ id: RolloutID) -> ServerError {
        .notFound(
            "unknownRollout", "There is no rollout \(id).", remedy: "`martlet rollout list` shows those that are.")
    }

    func rollout(_ id: RolloutID, within reach: Reach) async throws -> RolloutInfo {
        try await core.database.read {
            try Self.info(try RolloutReach(reach, $0).find(id), $0, isWhole: true)
        }
    }

    /// One page of rollouts within reach, newest first.
    func rollouts(before last: RolloutID?, limit: Int, within reach: Reach) async throws -> Page<RolloutInfo> {
        try await core.database.read { sql in
            let within = try RolloutReach(reach, sql)
            var items: [RolloutInfo] = []
            var last = last
            // Others are left out here, so pages are read until one is full or the end is reached.
            while true {
                let rows = try RolloutStore(sql).list(before: last, limit: limit + 1)
                for row in rows where try within.contains(row.rollout) {
                    guard items.count < limit else { return Page(items: items, next: items.last?.id.text) }
                    items.append(Self.info(row.rollout, counts: row.counts))
                }
                guard rows.count > limit else { return Page(items: items) }
                last = rows.last?.rollout.id
            }
        }
    }

    static func info(_ row: RolloutRow, _ sql: any SQLConnection, isWhole: Bool) throws -> RolloutInfo {
        var info = info(row, counts: row.run.counts)
        guard isWhole else { return info }
        info.devices = row.run.members.map {
            RolloutInfo.Device(
                device: $0.device, wave: $0.wave, state: $0.state, code: $0.code, message: $0.message,
                evaluation: $0.evaluation, updated: $0.updated)
        }
        info.decisions = try RolloutStore(sql).decisions(row.id).map {
            RolloutInfo.Decision(time: $0.time, action: $0.action.rawValue, reason: $0.reason)
        }
        return info
    }

    private static func info(_ row: RolloutRow, counts: [DeviceRolloutState: Int]) -> RolloutInfo {
        let header = row.run.header
        return RolloutInfo(
            id: row.id, slot: row.slot, releases: row.releases, fleet: row.fleet, selector: row.selector,
            state: header.state, reason: header.reason, policy: header.policy, created: row.created,
            createdBy: row.createdBy, wave: header.wave, waves: header.waveCount,
            counts: Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) }))
    }
}
