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
            for row in try RoleStore(sql).versions() {
                versions[row.role] = row.version
                expiries[row.role] = row.expires
            }
            return RegistryStatus(
                version: RegistryVersion.text, readiness: Self.readiness(expiries, now: now), devices: devices.all,
                devicesOnline: min(devices.all, max(devices.seen, core.presence.onlineCount)),
                releases: try ReleaseStore(sql).count(), openRollouts: try RolloutStore(sql).open().count,
                metadataVersions: versions, metadataExpiries: expiries,
                takenBack: try Self.stillRunning(reach, sql))
        }
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
