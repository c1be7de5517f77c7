import MartletAPI
import MartletTypes
import RegistryStore

extension OperatorService {
    /// What devices within reach still run although it was taken back.
    static func stillRunning(_ reach: Reach, _ sql: any SQLConnection) throws -> [TakenBackRelease] {
        let within = try DeviceReach(reach, sql).names(sql)
        return try ReleaseStore(sql).stillRunning().filter { reach.contains($0.release.path) }
            .compactMap { try takenBack($0, within, reach, sql) }
    }

    /// The same of one release; nil where it may be installed, or no device within reach runs it.
    static func takenBack(
        _ row: ReleaseRow, _ reach: Reach, _ sql: any SQLConnection
    ) throws -> TakenBackRelease? {
        guard row.state != .published || row.isBelowFloor else { return nil }
        let within = try DeviceReach(reach, sql).names(sql)
        return try takenBack(try ReleaseStore(sql).use(of: row), within, reach, sql)
    }

    private static func takenBack(
        _ use: ReleaseUse, _ within: Set<DeviceID>?, _ reach: Reach, _ sql: any SQLConnection
    ) throws -> TakenBackRelease? {
        let devices = Set(use.devices).intersection(within ?? Set(use.devices))
        guard !devices.isEmpty else { return nil }
        var fleets: [FleetName: Int] = [:]
        for fleet in try FleetStore(sql).list() where reach.contains(fleet: fleet.name) {
            let members = Set(try DeviceStore(sql).members(of: fleet.selector).map(\.device))
            let count = members.intersection(devices).count
            if count > 0 { fleets[fleet.name] = count }
        }
        let row = use.release
        return TakenBackRelease(
            path: row.path, state: ReleaseInfo(row).state, reason: row.stateReason,
            floor: row.isBelowFloor ? row.floor : nil, devices: devices.count, fleets: fleets, instead: use.instead)
    }
}
