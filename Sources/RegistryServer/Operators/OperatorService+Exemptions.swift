import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

/// What keeps rollouts off a slot or a device, and what a device was to run when.
extension OperatorService {
    /// Longest that a pin or hold with an end may last: a year.
    private static let longestExemption: ClosedRange<Int64> = 1...31_536_000

    /// Keeps a slot as it is, or with `slot` nil the device out of rollouts. What is at work already goes on.
    ///
    /// Throws 404 `unknownDevice`, 400 for a reason that is missing or too long, 403 `outOfReach` where the slot runs
    /// what the caller's token does not concern.
    func exempt(
        _ device: DeviceID, _ slot: SlotName?, _ request: ExemptionRequest, by caller: Caller
    ) async throws -> DeviceInfo {
        guard !request.reason.isEmpty, request.reason.utf8.count <= ServerLimits.reasonBytes else {
            throw ServerError.badRequest(
                "A reason of 1 to \(ServerLimits.reasonBytes) bytes is needed.",
                remedy: "Say why, for whoever wonders why the device does not move.", field: "/reason")
        }
        if let seconds = request.validSeconds, !Self.longestExemption.contains(seconds) {
            throw ServerError.badRequest(
                "validSeconds is not between 1 and \(Self.longestExemption.upperBound).",
                remedy: "Leave it out to last until it is lifted.", field: "/validSeconds")
        }
        return try await change(device, slot, by: caller) { driver in
            let now = driver.now
            try ExemptionStore(driver.sql).put(
                ExemptionRow(
                    device: device, slot: slot, reason: request.reason, actor: caller.name, since: now,
                    expires: request.validSeconds.map { now + .seconds($0) }))
            try Self.note(slot == nil ? "device.holdOut" : "device.pin", device, slot, request.reason, caller, driver)
            try driver.held(device, slot, by: caller.name)
        }
    }

    /// Lifts a pin, or with `slot` nil a hold; open rollouts let the device in again. Throws 404 `notExempt` where
    /// there is none.
    func lift(_ device: DeviceID, _ slot: SlotName?, by caller: Caller) async throws -> DeviceInfo {
        try await change(device, slot, by: caller) { driver in
            guard try ExemptionStore(driver.sql).remove(device, slot) else {
                throw ServerError.notFound(
                    "notExempt", slot.map { "Slot \($0) of \(device) is not pinned." } ?? "\(device) is not held out.",
                    remedy: "`martlet devices show \(device)` shows what keeps rollouts off it.")
            }
            try Self.note(slot == nil ? "device.letIn" : "device.unpin", device, slot, "", caller, driver)
            try driver.released(device, slot)
        }
    }

    private func change(
        _ device: DeviceID, _ slot: SlotName?, by caller: Caller,
        _ body: @escaping @Sendable (inout RolloutDriver) throws -> Void
    ) async throws -> DeviceInfo {
        let core = core
        let info = try await rollouts.drive { driver in
            _ = try DeviceReach(caller.reach, driver.sql).device(device, driver.sql)
            if let slot {
                let row = try SlotStore(driver.sql).slots(of: device)[slot]
                for path in (row?.desired?.releases ?? []) + (row?.reported?.current ?? []) {
                    try caller.reach.require(path)
                }
            }
            try body(&driver)
            try ChangeLog(driver.sql).append(topic: .device, [device.text])
            return try Self.info(try Self.device(device, driver.sql), driver.sql, core, caller.reach)
        }
        core.changes.announce(.device, CollectionOfOne(device.text))
        return info
    }

    private static func note(
        _ action: String, _ device: DeviceID, _ slot: SlotName?, _ reason: String, _ caller: Caller,
        _ driver: RolloutDriver
    ) throws {
        try AuditLog(driver.sql).append(
            actor: caller.name, action: action, subject: device.text,
            detail: .object(["slot": .string(slot?.text ?? ""), "reason": .string(reason)]), now: driver.now)
    }

    /// What the device's slots were to run, newest first; the cursor is the number of the last move of a page.
    func moves(_ device: DeviceID, _ exchange: Exchange) async throws -> Page<DeviceMove> {
        let limit = try Self.pageLimit(exchange)
        let before = try exchange.number("cursor", in: 1...Int64.max)
        let reach = try exchange.reach
        return try await core.database.read { sql in
            _ = try DeviceReach(reach, sql).device(device, sql)
            let rows = try AssignmentStore(sql).history(of: device, before: before, limit: limit + 1)
            // Moves of one assignment stay together, so that the cursor can be its number.
            var page = Array(rows.prefix(limit))
            if rows.count > limit, let last = page.last?.number, rows[limit].number == last {
                let whole = page.filter { $0.number != last }
                if !whole.isEmpty { page = whole }
            }
            let items = try page.filter { reach.contains($0.releases) }.map { try Self.move($0, of: device, sql) }
            return Page(items: items, next: rows.count > page.count ? page.last.map { String($0.number) } : nil)
        }
    }

    static func moves(
        of device: DeviceID, before number: Int64?, limit: Int, _ reach: Reach, _ sql: any SQLConnection
    ) throws -> [DeviceMove] {
        try AssignmentStore(sql).history(of: device, before: number, limit: limit)
            .filter { reach.contains($0.releases) }.map { try move($0, of: device, sql) }
    }

    /// A move with the last that the device said about it.
    private static func move(
        _ row: SlotHistoryRow, of device: DeviceID, _ sql: any SQLConnection
    ) throws -> DeviceMove {
        let report = try ReportStore(sql).last(device, slot: row.slot, generation: row.number)
        return DeviceMove(
            number: row.number, time: row.time, slot: row.slot, releases: row.releases, rollout: row.rollout,
            actor: row.actor, reason: row.reason, state: report?.state, code: report?.code, message: report?.message,
            reported: report?.time)
    }
}

extension Exemption {
    init(_ row: ExemptionRow) {
        self.init(reason: row.reason, by: row.actor, since: row.since, expires: row.expires)
    }
}
