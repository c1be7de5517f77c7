import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

/// The version that `--version`, the status and the pages tell.
package enum RegistryVersion {
    /// Raised with each release of Martlet.
    package static let text = "0.1.0"
}

extension OperatorService {
    /// Of what was taken back and still runs, only what is within reach is told.
    func status(_ reach: Reach = .everything) async throws -> RegistryStatus {
        let core = core
        return try await core.database.read { sql in
            let now = core.clock()
            let devices = try DeviceStore(sql).count(seenSince: now - ServerLimits.onlineWindow)
            var versions: [String: Int64] = [:]
            var expiries: [String: Timestamp] = [:]
            let isDelegated = try Self.delegated(sql)
            for row in try RoleStore(sql).versions() where isDelegated(row.role) {
                versions[row.role] = row.version
                expiries[row.role] = row.expires
            }
            return RegistryStatus(
                version: RegistryVersion.text, readiness: Self.readiness(expiries, now: now), devices: devices.all,
                devicesOnline: min(devices.all, max(devices.seen, core.presence.onlineCount)),
                releases: try ReleaseStore(sql).count(), openRollouts: try RolloutStore(sql).open().count,
                metadataVersions: versions, metadataExpiries: expiries,
                takenBack: try Self.stillRunning(reach, sql), behind: try Self.behind(versions, reach, sql))
        }
    }

    /// Roles within reach that devices have seen newer, as their slots say.
    private static func behind(
        _ versions: [String: Int64], _ reach: Reach, _ sql: any SQLConnection
    ) throws -> [BehindRole] {
        let told = try SlotStore(sql).messages(withCode: TUFError.Reason.rollback.rawValue)
        guard !told.isEmpty else { return [] }
        let tree = try ChangeCheck.tree(sql)
        var devices: [String: Set<DeviceID>] = [:]
        var seen: [String: Int64] = [:]
        for (device, message) in told {
            guard let behind = RoleBehind(message: message), let version = versions[behind.role],
                version <= behind.seen
            else { continue }
            if let namespace = tree.namespace(of: behind.role), !reach.contains(namespace: namespace) { continue }
            devices[behind.role, default: []].insert(device)
            seen[behind.role] = max(seen[behind.role] ?? 0, Int64(behind.seen))
        }
        return devices.sorted { $0.key < $1.key }.map { role, devices in
            BehindRole(
                role: role, namespace: tree.namespace(of: role), version: versions[role] ?? 0, seen: seen[role] ?? 0,
                devices: devices.count)
        }
    }

    /// Which roles somebody may sign: those of a namespace that was removed stay in the snapshot for ever, and end in
    /// peace.
    static func delegated(_ sql: any SQLConnection) throws -> (String) -> Bool {
        guard try RoleStore(sql).currentVersion(of: TopLevelRole.targets.rawValue) != nil else { return { _ in true } }
        let tree = try ChangeCheck.tree(sql)
        return { tree.verifier(for: $0) != nil }
    }

    /// `ready`, or why not.
    static func readiness(_ expiries: [String: Timestamp], now: Timestamp) -> String {
        guard expiries[TopLevelRole.root.rawValue] != nil else { return "no root" }
        for role in TopLevelRole.allCases {
            if let end = expiries[role.rawValue], end <= now { return "\(role.rawValue) metadata expired at \(end)" }
        }
        return "ready"
    }

    /// Whether the registry can serve devices; throws 503 saying why not.
    func requireReady() async throws {
        let core = core
        let expiries = try await core.database.read { sql in
            Dictionary(uniqueKeysWithValues: try RoleStore(sql).versions().map { ($0.role, $0.expires) })
        }
        let readiness = Self.readiness(expiries, now: core.clock())
        guard readiness != "ready" else { return }
        if readiness == "no root" { throw ServerError.noRoot }
        throw ServerError(
            503, "metadataExpired", "The registry is not ready: \(readiness).",
            remedy: "The owner of that role must sign it again.", fault: .environment)
    }

    func onlineKeys() -> OnlineKeys { core.keyring.publicHalves(addresses: [core.deviceOrigin.value]) }
}
