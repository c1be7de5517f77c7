import MartletAPI
import MartletTypes
import RegistryStore

/// Which events a token or a webhook with limits is told.
///
/// A limit is held strictly: whoever is limited to namespaces hears of what names releases of those only, whoever is
/// limited to fleets of what is about their devices, with both of what is both. What is about neither (tokens, trust,
/// the registry) is for those without limits.
struct EventReach {
    private let reach: Reach
    private let devices: DeviceReach
    private let rollouts: RolloutReach
    private let sql: any SQLConnection

    init(_ reach: Reach, _ sql: any SQLConnection) throws {
        self.reach = reach
        self.sql = sql
        devices = try DeviceReach(reach, sql)
        rollouts = try RolloutReach(reach, sql)
    }

    func contains(_ event: EventRow) throws -> Bool {
        let scope = event.scope
        if reach.namespaces != nil {
            guard !scope.namespaces.isEmpty, scope.namespaces.allSatisfy({ reach.contains(namespace: $0) }) else {
                return false
            }
        }
        guard reach.fleets != nil else { return true }
        if let labels = scope.labels { return devices.contains(labels) }
        if let fleet = scope.fleet { return reach.contains(fleet: fleet) }
        guard let id = scope.rollout, let rollout = try RolloutStore(sql).find(id) else { return false }
        return try rollouts.contains(rollout)
    }
}
