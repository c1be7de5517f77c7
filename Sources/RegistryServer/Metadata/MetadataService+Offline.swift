import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension MetadataService {
    /// Signs what devices without a network need: their assignments, a snapshot, and a timestamp, valid as long as
    /// asked.
    ///
    /// Throws 422 `validityOutOfBounds`, `tooManyDevices`, `tooLarge`, `nothingAssigned`; 404 `unknownDevice`,
    /// `unknownFleet`; 503
    /// before there is a root.
    func signOffline(_ request: OfflineRequest, actor: String) async throws -> OfflineSignatures {
        let bounds = ServerLimits.offlineSeconds
        guard bounds.contains(request.validSeconds) else {
            throw ServerError.unprocessable(
                "validityOutOfBounds",
                "Signatures for devices without a network hold \(bounds.lowerBound / 3600) hour to "
                    + "\(bounds.upperBound / 86_400) days.",
                remedy: "Choose a time within that; make a new bundle before it ends.", field: "/validSeconds")
        }
        let core = core
        let signatures = try await core.database.write { sql in
            let now = core.clock()
            let expires = now + .seconds(request.validSeconds)
            let devices = try Self.devices(of: request, sql)
            var signatures = try Self.signOffline(sql, core, now, until: expires)
            var budget = OfflineBudget()
            for device in devices {
                let assignment = try Self.assignment(of: device, sql, core, now, until: expires)
                try budget.take(assignment, for: device)
                signatures.assignments[device] = assignment
            }
            try AuditLog(sql).append(
                actor: actor, action: "offline.sign", subject: request.fleet?.text ?? "devices",
                detail: .object([
                    "devices": .array(devices.map { .string($0.text) }), "expires": .string(expires.description),
                    "snapshot": .integer(signatures.snapshotVersion),
                ]), now: now)
            return signatures
        }
        core.changes.announce(.metadata, CollectionOfOne(TopLevelRole.snapshot.rawValue))
        core.logger.notice(
            "signed for devices without a network",
            metadata: ["devices": "\(signatures.assignments.count)", "until": "\(signatures.expires)"])
        return signatures
    }

    private static func devices(of request: OfflineRequest, _ sql: any SQLConnection) throws -> [DeviceID] {
        var devices = request.devices
        if let name = request.fleet {
            let fleet = try OperatorService.fleet(name, sql)
            devices += try DeviceStore(sql).members(of: fleet.selector).map(\.device)
        }
        devices = Array(Set(devices)).sorted()
        guard devices.count <= OfflineBudget.devices else {
            throw ServerError.unprocessable(
                "tooManyDevices", "\(devices.count) devices are more than the \(OfflineBudget.devices) of one bundle.",
                remedy: "Make one bundle for each site.", field: request.fleet == nil ? "/devices" : "/fleet")
        }
        return devices
    }

    private static func assignment(
        of device: DeviceID, _ sql: any SQLConnection, _ core: RegistryCore, _ now: Timestamp, until expires: Timestamp
    ) throws -> String {
        let store = AssignmentStore(sql)
        guard let number = try store.number(of: device) else {
            throw ServerError.notFound(
                "unknownDevice", "There is no device \(device).",
                remedy: "`martlet devices list` shows those that are enrolled.")
        }
        guard number > 0 else {
            throw ServerError.unprocessable(
                "nothingAssigned", "Nothing was ever assigned to \(device).",
                remedy: "Start a rollout that moves it, then export again.", field: "/devices")
        }
        let envelope = try store.compose(device, issued: now, expires: expires).signed(by: core.keyring.directors)
        return String(decoding: envelope.encoded(), as: UTF8.self)
    }

    /// A snapshot and timestamp of their own versions, which devices with a network never see: theirs go on above, so
    /// that a device that comes back finds newer ones, and no version exists with two contents.
    private static func signOffline(
        _ sql: any SQLConnection, _ core: RegistryCore, _ now: Timestamp, until expires: Timestamp
    ) throws -> OfflineSignatures {
        let store = RoleStore(sql)
        guard let snapshotVersion = try store.currentVersion(of: TopLevelRole.snapshot.rawValue),
            let timestampVersion = try store.currentVersion(of: TopLevelRole.timestamp.rawValue)
        else { throw ServerError.noRoot }
        let roles = try NamedRoles(store).roles
        let next = (snapshot: snapshotVersion + 1, timestamp: timestampVersion + 1)
        let snapshot = SnapshotMetadata(version: Int(next.snapshot), expires: expires, roles: roles)
        let snapshotBytes = try SignedEnvelope.sign(snapshot.json, by: [try onlineKey(.snapshot, store, core)])
            .encoded()
        let timestamp = TimestampMetadata(
            version: Int(next.timestamp), expires: expires,
            snapshot: MetadataFileInfo(version: Int(next.snapshot), of: snapshotBytes))
        let timestampBytes = try SignedEnvelope.sign(timestamp.json, by: [try onlineKey(.timestamp, store, core)])
            .encoded()
        try signSnapshot(sql, core, now, above: next)
        return OfflineSignatures(
            snapshot: String(decoding: snapshotBytes, as: UTF8.self), snapshotVersion: next.snapshot,
            timestamp: String(decoding: timestampBytes, as: UTF8.self), expires: expires, assignments: [:])
    }
}
