import BundleFormat
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

/// What an import will do, once all of it was verified.
struct ImportPlan: Sendable {
    /// Roles whose version rises, delegators first, with the version that stands; several of root in their order.
    var roles: [(metadata: StoredMetadata, former: Int64?)] = []
    var trustDocument: [UInt8]?
    var published: [ReleaseWalk.Finding] = []
    var withdrawn: [ReleasePath] = []
    var floors: [ChangePlan.Floor] = []
    var isFirstRoot = false
    /// The versions above which snapshot and timestamp are to be signed, because devices may have seen them from the
    /// registry that the import comes from; nil where this one is ahead of it.
    var above: ImportedVersions?
    /// Roles that the registry that the import comes from names, and that are not here after it either.
    var named: [String: MetadataFileInfo] = [:]

    var isEmpty: Bool { roles.isEmpty && published.isEmpty && above == nil && named.isEmpty }
}

/// Versions of the roles that each registry signs by itself.
struct ImportedVersions: Sendable, Equatable {
    var snapshot: Int64
    var timestamp: Int64
}

/// Verifies metadata that was signed for another registry of the same owner, from the root down, as a device would.
///
/// Unlike a publisher's change it may be many versions ahead, and may name releases whose content is not here: those
/// are not published until a later import finds it. A role that is newer here stays as it is.
struct ImportCheck {
    let sql: any SQLConnection
    let core: RegistryCore
    let now: Timestamp

    private var store: RoleStore { RoleStore(sql) }

    /// Throws 409 `otherRoot`, `alreadyExists`, `versionConflict`; 422 naming what does not hold.
    func plan(_ request: MetadataImport) throws -> ImportPlan {
        var plan = ImportPlan()
        let standing = try NamedRoles(store)
        let (root, theirs) = try root(request.roots, &plan)
        plan.above = try versions(request, signedBy: theirs, standing: root)
        let targets = try role(TargetsMetadata.type, root.verifier(for: .targets), request, &plan)
        guard let targets else { throw missing(TargetsMetadata.type) }
        if plan.roles.last?.metadata.role == TargetsMetadata.type {
            let document = Array(request.trustDocument.utf8)
            try OnlineKeyRules.checkTrustDocument(document, in: targets, core.keyring)
            plan.trustDocument = document
        }
        var tree = DelegationTree(root: root, targets: targets, namespaces: [:])
        var known: Set = [TargetsMetadata.type]
        for name in tree.namespaceNames {
            guard let verifier = targets.delegations?.verifier(for: name) else { continue }
            known.insert(name)
            tree.namespaces[name] = try role(
                name, verifier, request, &plan, atLeast: standing.absent[name]?.version)
        }
        try OnlineKeyRules.checkDelegations(of: tree, core.keyring)
        for name in request.roles.keys.sorted() where !known.contains(name) {
            guard let namespace = tree.namespace(of: name), let verifier = tree.verifier(for: name) else {
                throw ChangeCheck.unknown(name)
            }
            let former: TargetsMetadata? = try store.current(name).map { try ChangeCheck.document($0.bytes) }
            if let bin = try role(name, verifier, request, &plan, atLeast: standing.absent[name]?.version) {
                try compare(bin, with: former, in: namespace, &plan)
            }
        }
        plan.named = try named(request.snapshot, signedBy: theirs, root, standing, plan)
        return plan
    }

    // MARK: - Roles

    /// Follows the chain of roots from the first, and adds what is new here. Returns the root that stands after it, and
    /// the last one of the chain.
    private func root(
        _ texts: [String], _ plan: inout ImportPlan
    ) throws -> (standing: RootMetadata, theirs: RootMetadata) {
        guard let first = texts.first, texts.count <= Limits.tufRootRotations else { throw missing(RootMetadata.type) }
        let name = RootMetadata.type
        if let ours = try store.find(name, version: 1)?.bytes, ours != Array(first.utf8) {
            throw ServerError.conflict(
                "otherRoot", "This registry has another first root.",
                remedy: "Import into a registry of the same owner, or into one that has no root yet.")
        }
        let current = try store.currentVersion(of: name)
        plan.isFirstRoot = current == nil
        var set = try TrustedMetadataSet(
            trustedRoot: Array(first.utf8), limits: TUFClientLimits(), referenceTime: now)
        var former: Int64? = current
        for (position, text) in texts.enumerated() {
            let bytes = Array(text.utf8)
            if position > 0 { try set.updateRoot(bytes) }
            guard set.root.version == position + 1 else {
                throw ServerError.unprocessable(
                    "versionMismatch", "Root \(position + 1) is missing from the chain.",
                    remedy: "Send every root from the first on.", field: "/roots/\(position)")
            }
            let version = Int64(set.root.version)
            if version > (current ?? 0) {
                let stored = StoredMetadata(role: name, version: version, bytes: bytes, expires: set.root.expires)
                plan.roles.append((stored, former))
                former = version
            }
        }
        if let current, current > Int64(set.root.version), let bytes = try store.current(name)?.bytes {
            return (try ChangeCheck.document(bytes, Limits.tufRootBytes), set.root)
        }
        guard !set.root.isExpired(at: now) else { throw Self.expired(name, set.root.expires) }
        if !plan.roles.isEmpty { try OnlineKeyRules.check(set.root, core.keyring) }
        return (set.root, set.root)
    }

    /// Where the other registry stood when the bundle was made. Devices that come over from it have accepted at least
    /// that much; only what online keys of ours signed counts, so that nobody else can use versions up.
    private func versions(
        _ request: MetadataImport, signedBy theirs: RootMetadata, standing: RootMetadata
    ) throws -> ImportedVersions? {
        let snapshot = try ahead(
            SnapshotMetadata.self, .snapshot, request.snapshot, Limits.tufMetadataBytes, theirs, standing)
        let timestamp = try ahead(
            TimestampMetadata.self, .timestamp, request.timestamp, Limits.tufTimestampBytes, theirs, standing)
        guard snapshot != nil || timestamp != nil else { return nil }
        return ImportedVersions(snapshot: snapshot ?? 0, timestamp: timestamp ?? 0)
    }

    /// What the other registry's snapshot names beyond what is here after the import. Devices that come over have seen
    /// it, and take a snapshot without it for a rollback.
    private func named(
        _ text: String?, signedBy theirs: RootMetadata, _ root: RootMetadata, _ standing: NamedRoles, _ plan: ImportPlan
    ) throws -> [String: MetadataFileInfo] {
        let (role, verifier) = (TopLevelRole.snapshot, theirs.verifier(for: .snapshot))
        guard let text, root.verifier(for: role) == verifier else { return [:] }
        let snapshot = try verifier.read(
            SnapshotMetadata.self, from: Array(text.utf8), limit: Limits.tufMetadataBytes, role: role.rawValue)
        let coming = Set(plan.roles.map(\.metadata.role))
        return snapshot.roles.filter { name, info in
            !coming.contains(name) && standing.present[name] == nil
                && info.version > standing.absent[name]?.version ?? 0
        }
    }

    /// The version to go on above; nil where this registry is ahead already, or where devices that follow the standing
    /// root count anew, because its keys are others.
    private func ahead<Metadata: RoleMetadata>(
        _ type: Metadata.Type, _ role: TopLevelRole, _ text: String?, _ limit: Int, _ theirs: RootMetadata,
        _ standing: RootMetadata
    ) throws -> Int64? {
        guard let text else { return nil }
        let (bytes, verifier) = (Array(text.utf8), theirs.verifier(for: role))
        let version = Int64(try verifier.read(type, from: bytes, limit: limit, role: role.rawValue).version)
        guard standing.verifier(for: role) == verifier else { return nil }
        guard version < MetadataService.highestVersion - 2 * ServerLimits.importVersionGap else {
            throw ServerError.unprocessable(
                "versionsUsedUp", "The bundle's \(role.rawValue) has version \(version); few are left above it.",
                remedy: "The owner runs `martlet trust rotate \(role.rawValue)`; devices then count anew.",
                field: "/\(role.rawValue)")
        }
        let current = try store.current(role.rawValue)
        guard version >= current?.version ?? 0, current?.bytes != bytes else { return nil }
        return version + ServerLimits.importVersionGap
    }

    /// The role as it stands after the import: the one that came where it is newer, else ours; nil where neither is.
    /// `least` is the version that this registry names without having it.
    private func role(
        _ name: String, _ verifier: RoleVerifier, _ request: MetadataImport, _ plan: inout ImportPlan,
        atLeast least: Int? = nil
    ) throws -> TargetsMetadata? {
        let current = try store.current(name)
        let ours: TargetsMetadata? = try current.map { try ChangeCheck.document($0.bytes) }
        guard let text = request.roles[name] else { return ours }
        let bytes = Array(text.utf8)
        if current?.bytes == bytes { return ours }
        let next = try verifier.read(TargetsMetadata.self, from: bytes, limit: Limits.tufMetadataBytes, role: name)
        let version = Int64(next.version)
        if let least, next.version < least { return ours }
        if let current {
            if version < current.version { return ours }
            guard version > current.version else {
                throw ServerError.conflict(
                    "versionConflict", "Role \(name) \(version) is here with other content.",
                    remedy: "Two registries took different changes; publish to one of them only.", field: name)
            }
        }
        guard !next.isExpired(at: now) else { throw Self.expired(name, next.expires) }
        plan.roles.append(
            (StoredMetadata(role: name, version: version, bytes: bytes, expires: next.expires), current?.version))
        return next
    }

    // MARK: - Releases

    private func compare(
        _ bin: TargetsMetadata, with former: TargetsMetadata?, in namespace: String, _ plan: inout ImportPlan
    ) throws {
        let releases = ReleaseStore(sql)
        for (name, target) in bin.targets.sorted(by: { $0.key < $1.key }) {
            if let repository = ReleaseFloor.repository(ofPath: name) {
                // Devices hold it whatever stands here, so that one that cannot be read is not for this to refuse.
                if let floor = try? ReleaseFloor(target, of: repository) {
                    plan.floors.append(ChangePlan.Floor(repository: repository, floor: floor))
                }
                continue
            }
            let path = try Self.path(name)
            guard path.repository.namespace == namespace else {
                throw ServerError.unprocessable(
                    "notDelegated", "Namespace \(namespace) does not sign for \(name).", field: name)
            }
            if let row = try releases.find(path), row.state != .yanked {
                guard target.names(row.indexDigest, length: row.length) else {
                    throw ServerError.conflict(
                        "alreadyExists", "\(name) is published with other content, and versions are immutable.",
                        field: name)
                }
                continue
            }
            guard try isHere(path, target) else { continue }
            plan.published.append(try ReleaseWalk(sql: sql, now: now).walk(path, target))
        }
        for name in (former?.targets ?? [:]).keys.sorted() where bin.targets[name] == nil {
            guard ReleaseFloor.repository(ofPath: name) == nil else { continue }
            let path = try Self.path(name)
            if try releases.find(path) != nil { plan.withdrawn.append(path) }
        }
    }

    /// Whether the content was pushed: the index, and for an adapter the base as a release of its own.
    private func isHere(_ path: ReleasePath, _ target: TargetFile) throws -> Bool {
        guard let hex = target.hashes["sha256"],
            let stored = try ManifestStore(sql).find(path.repository, try Digest("sha256:" + hex.lowercased()))
        else { return false }
        guard let base = try ReleaseIndex(parsing: stored.bytes).base else { return true }
        return try ReleaseStore(sql).find(base.release) != nil
    }

    private static func path(_ name: String) throws -> ReleasePath {
        do {
            return try ReleasePath(name)
        } catch {
            throw ServerError.unprocessable(error.code, error.message, remedy: error.remedy, field: name)
        }
    }

    private func missing(_ role: String) -> ServerError {
        .unprocessable("missing", "The import has no \(role).", remedy: "Make the bundle again with `martlet export`.")
    }

    private static func expired(_ role: String, _ time: Timestamp) -> ServerError {
        .unprocessable(
            "expired", "\(role) expired at \(time).", remedy: "Its owner signs it anew; then export again.", field: role
        )
    }
}
