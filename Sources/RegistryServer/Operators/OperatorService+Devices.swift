import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension OperatorService {
    /// One page of devices by name; `selector` narrows it, and `state`: without it all but the revoked are there.
    func devices(_ exchange: Exchange) async throws -> Page<DeviceInfo> {
        let selector = try exchange.query("selector", as: LabelSelector.self)
        let state = try Self.state(exchange)
        let first = try exchange.query("cursor", as: DeviceID.self)
        let limit = try Self.pageLimit(exchange)
        let reach = try exchange.reach
        let core = core
        return try await core.database.read { sql in
            let within = try DeviceReach(reach, sql)
            var items: [DeviceInfo] = []
            var last = first
            // A selector is matched here, so pages are read until one is full or the end is reached.
            while true {
                let rows = try DeviceStore(sql).list(after: last, limit: Limits.pageRows)
                for row in rows {
                    last = row.device
                    guard state.map({ $0 == row.state }) ?? (row.state != .revoked), within.contains(row.labels),
                        selector?.matches(row.labels) ?? true
                    else { continue }
                    guard items.count < limit else { return Page(items: items, next: items.last?.device.text) }
                    items.append(try Self.info(row, sql, core, reach))
                }
                if rows.count < Limits.pageRows { return Page(items: items) }
            }
        }
    }

    private static func state(_ exchange: Exchange) throws -> DeviceState? {
        guard let text = try exchange.query("state"), !text.isEmpty else { return nil }
        guard let state = DeviceState(rawValue: text) else {
            throw ServerError.badRequest(
                "There is no such state of a device.",
                remedy: "Use \(DeviceState.allCases.map(\.rawValue).joined(separator: ", ")).", field: "state")
        }
        return state
    }

    func device(_ device: DeviceID, _ reach: Reach) async throws -> DeviceInfo {
        let core = core
        return try await core.database.read { sql in
            var info = try Self.info(try DeviceReach(reach, sql).device(device, sql), sql, core, reach)
            if let document = try DeviceStore(sql).inventory(device) {
                var inventory = try JSONText.decode(Inventory.self, from: try JSONText.encode(document))
                inventory.slots = inventory.slots.filter { reach.contains($0.value.current + $0.value.previous) }
                info.inventory = inventory
            }
            return info
        }
    }

    static func device(_ device: DeviceID, _ sql: any SQLConnection) throws -> DeviceRow {
        try DeviceReach(.everything, sql).device(device, sql)
    }

    /// A device as the API shows it.
    static func info(
        _ row: DeviceRow, _ sql: any SQLConnection, _ core: RegistryCore, _ reach: Reach
    ) throws -> DeviceInfo {
        let slots = try SlotStore(sql).slots(of: row.device).mapValues { slot in
            DeviceInfo.Slot(
                desired: slot.desired?.releases ?? [], current: slot.reported?.current ?? [],
                previous: slot.reported?.previous ?? [], state: slot.progress?.state, code: slot.progress?.code,
                message: slot.progress?.message, serving: slot.reported?.serving ?? false,
                generation: slot.reported?.generation ?? 0, override: slot.reported?.override,
                evaluation: slot.progress?.evaluation)
        }
        let exemptions = try ExemptionStore(sql).list(row.device, now: core.clock())
        var info = DeviceInfo(
            device: row.device, labels: row.labels, online: core.presence.isOnline(row.device, lastSeen: row.lastSeen),
            enrolled: row.enrolled, lastSeen: core.presence.lastSeen(row.device, stored: row.lastSeen),
            certificateExpires: row.certificateExpires, profile: row.profile, agentVersion: row.agentVersion,
            assignment: row.assignment, slots: reach.filter(slots), standing: DeviceInfo.Standing(row.state),
            held: row.state == .active ? nil : row.stateReason ?? row.state.words)
        info.hold = exemptions.first { $0.slot == nil }.map(Exemption.init)
        let pins = exemptions.compactMap { pin in pin.slot.map { ($0, Exemption(pin)) } }
        if !pins.isEmpty { info.pins = Dictionary(pins) { first, _ in first } }
        return info
    }

    /// What a device reported, newest first; the cursor is the number of the last report of a page.
    func history(_ device: DeviceID, _ exchange: Exchange) async throws -> Page<DeviceReport> {
        let limit = try Self.pageLimit(exchange)
        let before = try exchange.number("cursor", in: 1...Int64.max)
        let reach = try exchange.reach
        return try await core.database.read { sql in
            _ = try DeviceReach(reach, sql).device(device, sql)
            let rows = try ReportStore(sql).list(device, before: before, limit: limit + 1)
            let items = try rows.prefix(limit).map { try DeviceReport($0.report) }
                .filter { reach.contains($0.releases) }
            return Page(items: items, next: rows.count > limit ? String(rows[limit - 1].number) : nil)
        }
    }

    func patch(_ device: DeviceID, _ patch: DevicePatch, by caller: Caller) async throws -> DeviceInfo {
        let core = core
        let reach = caller.reach
        let info = try await core.database.write { sql in
            let within = try DeviceReach(reach, sql)
            let row = try within.device(device, sql)
            if let labels = patch.labels, labels != row.labels {
                // Else it would be moved into another's fleet, whose rollouts it would get.
                guard within.contains(labels) else {
                    throw ServerError.outOfReach(
                        "a device with these labels", (reach.fleets ?? []).map(\.text).sorted())
                }
                try DeviceStore(sql).setLabels(device, labels)
                try AuditLog(sql).append(
                    actor: caller.name, action: "device.label", subject: device.text,
                    detail: .object(["labels": .object(labels.values.mapValues(JSONValue.string))]), now: core.clock())
                try ChangeLog(sql).append(topic: .device, [device.text])
            }
            return try Self.info(try Self.device(device, sql), sql, core, reach)
        }
        core.changes.announce(.device, CollectionOfOne(device.text))
        return info
    }
}

extension DeviceReport {
    init(_ row: ReportRow) throws {
        self.init(
            sequence: row.sequence, time: row.time, slot: row.slot, generation: row.generation, rollout: row.rollout,
            releases: row.releases, state: row.state, code: row.code, message: row.message,
            figures: try row.figures.map { try JSONText.decode(Figures.self, from: try JSONText.encode($0)) })
    }
}
