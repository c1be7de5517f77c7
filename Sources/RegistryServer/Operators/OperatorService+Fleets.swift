import MartletAPI
import MartletTypes
import RegistryStore

extension OperatorService {
    func fleets(_ reach: Reach) async throws -> [Fleet] {
        let core = core
        return try await core.database.read { sql in
            try FleetStore(sql).list().filter { reach.contains(fleet: $0.name) }.map { try Self.fleet($0, sql, core) }
        }
    }

    static func fleet(_ row: FleetRow, _ sql: any SQLConnection, _ core: RegistryCore) throws -> Fleet {
        let members = try DeviceStore(sql).members(of: row.selector)
        return Fleet(
            name: row.name, selector: row.selector, devices: members.count,
            online: members.filter { core.presence.isOnline($0.device, lastSeen: $0.lastSeen) }.count)
    }

    /// The fleet with this name; throws 404 `unknownFleet` with the remedy.
    static func fleet(_ name: FleetName, _ sql: any SQLConnection) throws -> FleetRow {
        guard let row = try FleetStore(sql).find(name) else {
            throw ServerError.notFound(
                "unknownFleet", "There is no fleet \(name).",
                remedy: "`martlet fleets list` shows those that are; `martlet fleets set` makes one.")
        }
        return row
    }

    func put(_ fleet: Fleet, named name: FleetName, actor: String) async throws -> Fleet {
        guard fleet.name == name else {
            throw ServerError.badRequest("The name in the body is not the one in the address.", field: "/name")
        }
        let core = core
        return try await core.database.write { sql in
            let now = core.clock()
            let row = FleetRow(name: name, selector: fleet.selector)
            try FleetStore(sql).put(row, now: now)
            try AuditLog(sql).append(
                actor: actor, action: "fleet.set", subject: name.text,
                detail: .object(["selector": .string(fleet.selector.text)]), now: now)
            return try Self.fleet(row, sql, core)
        }
    }

    func deleteFleet(_ name: FleetName, actor: String) async throws {
        let core = core
        try await core.database.write { sql in
            _ = try Self.fleet(name, sql)
            _ = try FleetStore(sql).delete(name)
            try AuditLog(sql).append(actor: actor, action: "fleet.delete", subject: name.text, now: core.clock())
        }
    }
}
