import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

/// What of rollouts a caller with limits sees and moves.
///
/// A rollout is within reach where all of its releases are, and its fleet or all devices that it moves.
struct RolloutReach {
    private let reach: Reach
    private let devices: DeviceReach
    private let sql: any SQLConnection

    init(_ reach: Reach, _ sql: any SQLConnection) throws {
        self.reach = reach
        self.sql = sql
        devices = try DeviceReach(reach, sql)
    }

    func contains(_ row: RolloutRow) throws -> Bool {
        guard reach.contains(row.releases) else { return false }
        guard !devices.isEverything else { return true }
        if let fleet = row.fleet, reach.contains(fleet: fleet) { return true }
        // Lists hold rollouts without their members.
        guard let whole = try RolloutStore(sql).find(row.id) else { return false }
        let labels = try whole.run.members.compactMap { try DeviceStore(sql).find($0.device)?.labels }
        return !labels.isEmpty && labels.allSatisfy { devices.contains($0) }
    }

    /// A rollout within reach, from memory where it is there; throws 404 `unknownRollout` for any other and for none.
    func find(_ id: RolloutID, _ kept: OpenRollouts? = nil) throws -> RolloutRow {
        guard let row = try kept?.read(id, sql) ?? RolloutStore(sql).find(id), try contains(row) else {
            throw RolloutService.unknown(id)
        }
        return row
    }

    /// Throws 403 `outOfReach` where a rollout of these releases would move what the caller does not reach: a device
    /// of another fleet, or a slot that runs another namespace's release.
    func require(_ releases: [ReleasePath], _ fleet: FleetName?, _ members: [DeviceID], _ slot: SlotName) throws {
        for release in releases { try reach.require(release) }
        if let fleet { try reach.require(fleet: fleet) }
        guard !reach.limits.isEmpty else { return }
        for member in members {
            guard let row = try DeviceStore(sql).find(member), devices.contains(row.labels) else {
                throw ServerError.outOfReach(
                    "all devices that this selects", (reach.fleets ?? []).map(\.text).sorted())
            }
            let desired = try SlotStore(sql).slots(of: member)[slot]?.desired?.releases ?? []
            for release in desired { try reach.require(release) }
        }
    }

    /// Whether a device's slot, with what it is to run, is within reach.
    func contains(_ device: DeviceID, running releases: [ReleasePath]) throws -> Bool {
        guard reach.contains(releases) else { return false }
        guard !devices.isEverything else { return true }
        return try DeviceStore(sql).find(device).map { devices.contains($0.labels) } ?? false
    }
}
