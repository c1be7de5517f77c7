import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

/// Operators decide whether a device may have anything: approve, reject, revoke, remove.
extension OperatorService {
    /// Lets a device that waits have its assignments. Throws 409 `deviceState` for any other.
    func approve(_ device: DeviceID, _ decision: DeviceDecision, by caller: Caller) async throws -> DeviceInfo {
        try await decide(device, "device.approve", decision, by: caller) { sql, _ in
            try DeviceStore(sql).setState(device, .active, reason: nil)
        }
    }

    /// Turns a device that waits away: its certificate is refused, its name stays with it. Throws 409 `deviceState`.
    func reject(_ device: DeviceID, _ decision: DeviceDecision, by caller: Caller) async throws -> DeviceInfo {
        let info = try await decide(device, "device.reject", decision, by: caller) { sql, now in
            let reason = decision.reason.isEmpty ? "rejected by \(caller.name)" : "rejected: \(decision.reason)"
            try DeviceStore(sql).revoke(device, reason: reason, now: now)
        }
        cutOff(device)
        return info
    }

    private func decide(
        _ device: DeviceID, _ action: String, _ decision: DeviceDecision, by caller: Caller,
        _ change: @escaping @Sendable (any SQLConnection, Timestamp) throws -> Void
    ) async throws -> DeviceInfo {
        let core = core
        try Self.check(decision)
        let info = try await core.database.write { sql in
            let now = core.clock()
            let row = try DeviceReach(caller.reach, sql).device(device, sql)
            guard row.state == .pending else {
                throw ServerError.conflict(
                    "deviceState", "Device \(device) is \(row.state.rawValue): it waits for no approval.",
                    remedy: "`martlet devices list --state pending` shows those that do.")
            }
            try change(sql, now)
            try AuditLog(sql).append(
                actor: caller.name, action: action, subject: device.text,
                detail: .object(["reason": .string(decision.reason)]), now: now)
            try ChangeLog(sql).append(topic: .device, [device.text])
            return try Self.info(try Self.device(device, sql), sql, core, caller.reach)
        }
        core.changes.announce(.device, CollectionOfOne(device.text))
        return info
    }

    /// Refuses the device's certificates from the next request on and cuts its connections. Its name and history stay;
    /// open rollouts go on without it.
    func revoke(_ device: DeviceID, _ decision: DeviceDecision, by caller: Caller) async throws -> DeviceInfo {
        let core = core
        try Self.check(decision)
        let info = try await rollouts.drive { driver in
            let row = try DeviceReach(caller.reach, driver.sql).device(device, driver.sql)
            if row.state != .revoked {
                for id in try RolloutStore(driver.sql).open(device: device) { try driver.tell(.deviceGone(device), id) }
                let reason = decision.reason.isEmpty ? "revoked by \(caller.name)" : decision.reason
                try DeviceStore(driver.sql).revoke(device, reason: reason, now: driver.now)
                try AuditLog(driver.sql).append(
                    actor: caller.name, action: "device.revoke", subject: device.text,
                    detail: .object(["reason": .string(decision.reason)]), now: driver.now)
                try ChangeLog(driver.sql).append(topic: .device, [device.text])
            }
            return try Self.info(try Self.device(device, driver.sql), driver.sql, core, caller.reach)
        }
        cutOff(device)
        return info
    }

    /// Forgets the device with its history, so that its name is free; open rollouts go on without it.
    func delete(_ device: DeviceID, by caller: Caller) async throws {
        try await rollouts.drive { driver in
            _ = try DeviceReach(caller.reach, driver.sql).device(device, driver.sql)
            for id in try RolloutStore(driver.sql).open(device: device) { try driver.tell(.deviceGone(device), id) }
            // Before the device is gone, so that its event still knows whose it was.
            try AuditLog(driver.sql).append(
                actor: caller.name, action: "device.delete", subject: device.text, now: driver.now)
            _ = try DeviceStore(driver.sql).delete(device)
            try ChangeLog(driver.sql).append(topic: .device, [device.text])
        }
        cutOff(device)
    }

    /// Its parked poll ends at once with the refusal, and its connections with that.
    private func cutOff(_ device: DeviceID) {
        core.presence.forget(device)
        core.connections.cut(device)
        core.changes.announce(.assignment, CollectionOfOne(device.text))
        core.changes.announce(.device, CollectionOfOne(device.text))
    }

    private static func check(_ decision: DeviceDecision) throws {
        guard decision.reason.utf8.count <= ServerLimits.reasonBytes else {
            throw ServerError.badRequest(
                "A reason has at most \(ServerLimits.reasonBytes) bytes.", field: "/reason")
        }
    }
}

extension DeviceInfo.Standing {
    init(_ state: DeviceState) {
        self =
            switch state {
            case .pending: .pending
            case .active: .active
            case .held: .held
            case .revoked: .revoked
            }
    }
}

extension DeviceState {
    /// Why a device gets nothing, where no reason is kept.
    var words: String { self == .pending ? "waits for an operator's approval" : rawValue }
}
