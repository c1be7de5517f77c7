import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension OperatorService {
    /// One page of devices by name; `selector` narrows it.
    func devices(_ exchange: Exchange) async throws -> Page<DeviceInfo> {
        let selector = try exchange.query("selector", as: LabelSelector.self)
        let first = try exchange.query("cursor", as: DeviceID.self)
        let limit = try Self.pageLimit(exchange)
        let core = core
        return try await core.database.read { sql in
            var items: [DeviceInfo] = []
            var last = first
            // A selector is matched here, so pages are read until one is full or the end is reached.
            while true {
                let rows = try DeviceStore(sql).list(after: last, limit: Limits.pageRows)
                for row in rows {
                    last = row.device
                    guard row.state != .revoked, selector?.matches(row.labels) ?? true else { continue }
                    guard items.count < limit else { return Page(items: items, next: items.last?.device.text) }
                    items.append(try Self.info(row, sql, core))
                }
                if rows.count < Limits.pageRows { return Page(items: items) }
            }
        }
    }

    func device(_ device: DeviceID) async throws -> DeviceInfo {
        let core = core
        return try await core.database.read { sql in
            var info = try Self.info(try Self.device(device, sql), sql, core)
            if let document = try DeviceStore(sql).inventory(device) {
                info.inventory = try JSONText.decode(Inventory.self, from: try JSONText.encode(document))
            }
            return info
        }
    }

    static func device(_ device: DeviceID, _ sql: any SQLConnection) throws -> DeviceRow {
        guard let row = try DeviceStore(sql).find(device) else {
            throw ServerError.notFound(
                "unknownDevice", "There is no device \(device).", remedy: "`martlet devices list` shows those that are."
            )
        }
        return row
    }

    /// A device as the API shows it.
    static func info(_ row: DeviceRow, _ sql: any SQLConnection, _ core: RegistryCore) throws -> DeviceInfo {
        let slots = try SlotStore(sql).slots(of: row.device).mapValues { slot in
            DeviceInfo.Slot(
                desired: slot.desired?.releases ?? [], current: slot.reported?.current ?? [],
                previous: slot.reported?.previous ?? [], state: slot.progress?.state, code: slot.progress?.code,
                message: slot.progress?.message, serving: slot.reported?.serving ?? false,
                generation: slot.reported?.generation ?? 0, override: slot.reported?.override,
                evaluation: slot.progress?.evaluation)
        }
        return DeviceInfo(
            device: row.device, labels: row.labels, online: core.presence.isOnline(row.device, lastSeen: row.lastSeen),
            enrolled: row.enrolled, lastSeen: core.presence.lastSeen(row.device, stored: row.lastSeen),
            certificateExpires: row.certificateExpires, profile: row.profile, agentVersion: row.agentVersion,
            assignment: row.assignment, slots: slots,
            held: row.state == .active ? nil : row.stateReason ?? row.state.rawValue)
    }

    /// What a device reported, newest first; the cursor is the number of the last report of a page.
    func history(_ device: DeviceID, _ exchange: Exchange) async throws -> Page<DeviceReport> {
        let limit = try Self.pageLimit(exchange)
        let before = try exchange.number("cursor", in: 1...Int64.max)
        return try await core.database.read { sql in
            _ = try Self.device(device, sql)
            let rows = try ReportStore(sql).list(device, before: before, limit: limit + 1)
            let items = try rows.prefix(limit).map { try DeviceReport($0.report) }
            return Page(items: items, next: rows.count > limit ? String(rows[limit - 1].number) : nil)
        }
    }

    func patch(_ device: DeviceID, _ patch: DevicePatch, actor: String) async throws -> DeviceInfo {
        let core = core
        let info = try await core.database.write { sql in
            let row = try Self.device(device, sql)
            if let labels = patch.labels, labels != row.labels {
                try DeviceStore(sql).setLabels(device, labels)
                try AuditLog(sql).append(
                    actor: actor, action: "device.label", subject: device.text,
                    detail: .object(["labels": .object(labels.values.mapValues(JSONValue.string))]), now: core.clock())
                try ChangeLog(sql).append(topic: .device, [device.text])
            }
            return try Self.info(try Self.device(device, sql), sql, core)
        }
        core.changes.announce(.device, CollectionOfOne(device.text))
        return info
    }

    /// Refuses the device's certificates from now on and forgets the device; open rollouts go on without it.
    func delete(_ device: DeviceID, actor: String) async throws {
        try await rollouts.drive { driver in
            _ = try Self.device(device, driver.sql)
            for id in try RolloutStore(driver.sql).open() { try driver.tell(.deviceGone(device), id) }
            _ = try DeviceStore(driver.sql).delete(device)
            try AuditLog(driver.sql).append(
                actor: actor, action: "device.delete", subject: device.text, now: driver.now)
            try ChangeLog(driver.sql).append(topic: .device, [device.text])
        }
        core.presence.forget(device)
        // Its parked poll ends at once, and the next request finds no device.
        core.changes.announce(.assignment, CollectionOfOne(device.text))
        core.changes.announce(.device, CollectionOfOne(device.text))
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
