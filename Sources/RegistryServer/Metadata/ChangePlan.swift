import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

/// What a change of signed roles does, once all of it was verified.
struct ChangePlan: Sendable {
    /// One role that gets its next version.
    struct Role: Sendable {
        var metadata: StoredMetadata
        /// The version that stands; nil where the role is new.
        var former: Int64?
    }

    /// A floor that a publisher signed.
    struct Floor: Sendable {
        var repository: RepositoryName
        var floor: ReleaseFloor
    }

    /// Root first, then targets, then namespaces, then bins.
    var roles: [Role] = []
    /// The versions of those who delegate, as they were when this was verified.
    var basis: [String: Int64] = [:]
    var trustDocument: [UInt8]?
    var published: [ReleaseWalk.Finding] = []
    var withdrawn: [ReleasePath] = []
    var floors: [Floor] = []
    /// Namespaces that nobody can verify after it, until their publishers sign again.
    var suspended: [String] = []
    /// Namespaces that nobody may sign for after it: all their releases are withdrawn.
    var removed: [String] = []
    /// Whether the keys of online roles may have changed.
    var concernsOnlineKeys = false

    /// Writes it: every role by compare and swap, what it publishes and withdraws, and the audit rows. Snapshot and
    /// timestamp are signed after it. Returns the devices from which an offer was taken back.
    func write(_ sql: any SQLConnection, by caller: Caller, now: Timestamp) throws -> Set<DeviceID> {
        let store = RoleStore(sql)
        for (role, version) in basis {
            let current = try store.currentVersion(of: role) ?? 0
            guard current == version else { throw MetadataService.conflict(role, current: current) }
        }
        for role in roles {
            let current = try store.currentVersion(of: role.metadata.role)
            guard current == role.former else {
                throw MetadataService.conflict(role.metadata.role, current: current ?? 0)
            }
            try store.put(role.metadata, replacing: current, now: now)
        }
        if let trustDocument { try store.putTarget(TrustDocument.path, trustDocument, now: now) }
        let audit = AuditLog(sql)
        for finding in published {
            try ReleaseStore(sql).publish(finding.row, objects: finding.objects)
            try audit.append(
                actor: caller.name, action: "release.publish", subject: finding.row.path.text,
                detail: .object(["index": .string(finding.row.indexDigest.text), "roles": versions]), now: now)
        }
        for path in withdrawn {
            try ReleaseStore(sql).setYanked(path, true, reason: "withdrawn by its publisher")
            try audit.append(
                actor: caller.name, action: "release.yank", subject: path.text,
                detail: .object(["roles": versions]), now: now)
        }
        for floor in floors { try write(floor, sql, by: caller, now: now) }
        for namespace in removed {
            let count = try ReleaseStore(sql).yankAll(in: namespace, reason: "its namespace was removed by the owner")
            try audit.append(
                actor: caller.name, action: "trust.removeNamespace", subject: namespace,
                detail: .object(["releases": .integer(Int64(count))]), now: now)
        }
        try note(audit, caller, now)
        return try withdrawOffers(sql, now)
    }

    private func write(_ floor: Floor, _ sql: any SQLConnection, by caller: Caller, now: Timestamp) throws {
        let (repository, statement) = (floor.repository, floor.floor)
        try FloorStore(sql).set(statement, of: repository)
        // Any client of the metadata can fetch the statement; devices read it from the metadata itself.
        try RoleStore(sql).putTarget(
            ReleaseFloor.path(of: repository), try statement.document(for: repository), now: now)
        try AuditLog(sql).append(
            actor: caller.name, action: "release.floor", subject: repository.text,
            detail: .object([
                "version": .string(statement.version.text), "number": .integer(statement.number),
                "reason": .string(statement.reason),
            ]), now: now)
    }

    /// Devices that do not run yet what was just taken back are told so.
    private func withdrawOffers(_ sql: any SQLConnection, _ now: Timestamp) throws -> Set<DeviceID> {
        var driver = RolloutDriver(sql, now: now)
        for path in withdrawn {
            _ = try RolloutService.withdrawOffers(of: path, because: "\(path.reference) was yanked", &driver)
        }
        for namespace in removed {
            var paths = Set(try ReleaseStore(sql).desired(inNamespace: namespace))
            // What no wave has offered yet is not desired anywhere, and is not to be offered either.
            for id in try RolloutStore(sql).open() {
                let releases = try driver.rollout(id)?.releases ?? []
                paths.formUnion(releases.filter { $0.repository.namespace == namespace })
            }
            for path in paths.sorted(by: { $0.text < $1.text }) {
                let reason = "the namespace \(namespace) was removed"
                _ = try RolloutService.withdrawOffers(of: path, because: reason, &driver)
            }
        }
        for floor in floors {
            for path in try ReleaseStore(sql).desired(in: floor.repository) where path.version < floor.floor.version {
                let reason = "\(path.reference) is below the floor \(floor.floor.version)"
                _ = try RolloutService.withdrawOffers(of: path, because: reason, &driver)
            }
        }
        try driver.finish()
        return Set(driver.changes.map(\.device))
    }

    /// The roles that change, with their new versions.
    private var versions: JSONValue {
        .object(Dictionary(roles.map { ($0.metadata.role, .integer($0.metadata.version)) }) { first, _ in first })
    }

    /// A row for a change of roles that is not told by what it publishes or takes back.
    private func note(_ audit: AuditLog, _ caller: Caller, _ now: Timestamp) throws {
        if roles.count == 1, let role = roles.first?.metadata {
            guard published.isEmpty, withdrawn.isEmpty, floors.isEmpty else { return }
            try audit.append(
                actor: caller.name, action: "tuf.put", subject: role.role,
                detail: .object(["version": .integer(role.version)]), now: now)
        } else {
            try audit.append(
                actor: caller.name, action: "trust.change", subject: roles.first?.metadata.role ?? "",
                detail: .object(["roles": versions]), now: now)
        }
        for namespace in suspended {
            try audit.append(actor: caller.name, action: "trust.suspend", subject: namespace, now: now)
        }
    }
}
