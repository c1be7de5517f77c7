import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension MetadataService {
    /// Accepts the next version of a role that its owner or publisher signed, and what that publishes or withdraws.
    ///
    /// Compare and swap: the version must be the current one plus one; the very bytes that are current are a no-op.
    /// Throws 403 outside the token's namespace, 404 `unknownRole`, 409 `versionConflict`, 422 naming what does not
    /// hold.
    func put(_ role: String, _ bytes: [UInt8], by caller: Caller) async throws -> RoleReceipt {
        let core = core
        let plan = try await core.database.read { try Self.plan(role, bytes, by: caller, $0, core) }
        guard let plan else {
            return try await core.database.read { sql in
                RoleReceipt(
                    role: role, version: try RoleStore(sql).currentVersion(of: role) ?? 0,
                    snapshot: try RoleStore(sql).currentVersion(of: TopLevelRole.snapshot.rawValue) ?? 0)
            }
        }
        // Rows can outlive files (a disk that lost some), so the bytes are looked for too.
        for finding in plan.published {
            for (digest, size) in finding.blobs where try await core.blobs.size(of: digest) != size {
                throw ServerError.unprocessable(
                    "contentMissing",
                    "The store has no \(digest) of \(size.bytes) bytes, which \(finding.row.path.reference) needs.",
                    remedy: "Push it again, then sign again.", field: digest.text)
            }
        }
        let receipt = try await core.database.write { sql in
            let now = core.clock()
            let store = RoleStore(sql)
            let current = try store.currentVersion(of: role)
            guard (current ?? 0) + 1 == plan.version else { throw Self.conflict(role, current: current ?? 0) }
            try store.put(
                StoredMetadata(role: role, version: plan.version, bytes: bytes, expires: plan.expires),
                replacing: current, now: now)
            let audit = AuditLog(sql)
            for finding in plan.published {
                try ReleaseStore(sql).publish(finding.row, objects: finding.objects)
                try audit.append(
                    actor: caller.name, action: "release.publish", subject: finding.row.path.text,
                    detail: .object(["index": .string(finding.row.indexDigest.text)]), now: now)
            }
            for path in plan.withdrawn {
                try ReleaseStore(sql).setYanked(path, true, reason: "withdrawn by its publisher")
                try audit.append(
                    actor: caller.name, action: "release.yank", subject: path.text, detail: .object([:]), now: now)
            }
            try audit.append(
                actor: caller.name, action: "tuf.put", subject: role,
                detail: .object(["version": .integer(plan.version)]), now: now)
            return RoleReceipt(
                role: role, version: plan.version, snapshot: try Self.signSnapshot(sql, core, now))
        }
        core.changes.announce(.metadata, CollectionOfOne(role))
        return receipt
    }

    /// What putting a role will do.
    private struct Plan: Sendable {
        var version: Int64
        var expires: Timestamp
        var published: [ReleaseWalk.Finding] = []
        var withdrawn: [ReleasePath] = []
    }

    static func conflict(_ role: String, current: Int64) -> ServerError {
        .conflict(
            "versionConflict", "Role \(role) is at version \(current).",
            remedy: "Apply the change to version \(current) and sign version \(current + 1).")
    }

    /// Verifies a role and finds out what it changes; nil where these very bytes are current.
    private static func plan(
        _ role: String, _ bytes: [UInt8], by caller: Caller, _ sql: any SQLConnection, _ core: RegistryCore
    ) throws -> Plan? {
        let store = RoleStore(sql)
        let now = core.clock()
        guard let rootBytes = try store.current(TopLevelRole.root.rawValue)?.bytes,
            let targetsBytes = try store.current(TopLevelRole.targets.rawValue)?.bytes
        else { throw ServerError.noRoot }
        let current = try store.current(role)
        let root: RootMetadata = try document(rootBytes, Limits.tufRootBytes)
        let targets: TargetsMetadata = try document(targetsBytes)
        if let standard = TopLevelRole(rawValue: role) {
            guard caller.role == .admin, caller.namespace == nil else { throw ServerError.forbidden("the role admin") }
            if current?.bytes == bytes { return nil }
            switch standard {
            case .root:
                let next = try accept(role, current) { try MetadataRepository.acceptRoot(bytes, after: root, now: now) }
                return Plan(version: Int64(next.version), expires: next.expires)
            case .targets:
                let next = try accept(role, current) {
                    try MetadataRepository.acceptTargets(
                        bytes, role: role, verifier: root.verifier(for: .targets), current: Int(current?.version ?? 0),
                        now: now)
                }
                try checkTopLevel(next, sql)
                return Plan(version: Int64(next.version), expires: next.expires)
            case .snapshot, .timestamp:
                throw ServerError.forbidden("the registry's own key")
            }
        }
        let delegation = try delegator(of: role, targets, store)
        guard caller.namespace == nil || caller.namespace == delegation.namespace else {
            throw ServerError.forbidden("a token of namespace \(delegation.namespace)")
        }
        if current?.bytes == bytes { return nil }
        let next = try accept(role, current) {
            try MetadataRepository.acceptTargets(
                bytes, role: role, verifier: delegation.verifier, current: Int(current?.version ?? 0), now: now)
        }
        let previous: TargetsMetadata? = try current.map { try document($0.bytes) }
        return try plan(next, after: previous, role: role, delegation, ReleaseWalk(sql: sql, now: now))
    }

    /// Compares two versions of a role, release by release.
    private static func plan(
        _ next: TargetsMetadata, after previous: TargetsMetadata?, role: String, _ delegation: Delegation,
        _ walk: ReleaseWalk
    ) throws -> Plan {
        var plan = Plan(version: Int64(next.version), expires: next.expires)
        let old = previous?.targets ?? [:]
        for (name, target) in next.targets.sorted(by: { $0.key < $1.key }) {
            if let before = old[name] {
                guard before.length == target.length, before.hashes == target.hashes else {
                    throw ServerError.conflict(
                        "alreadyExists", "\(name) is published with other content, and versions are immutable.",
                        remedy: "Publish the changed content under a new version.", field: name)
                }
                continue
            }
            let path = try releasePath(name)
            guard path.repository.namespace == delegation.namespace, delegation.covers(name, role) else {
                throw ServerError.unprocessable(
                    "notDelegated", "Role \(role) is not trusted for \(name).", remedy: "Sign it in the right role.",
                    field: name)
            }
            plan.published.append(try walk.walk(path, target))
        }
        for name in old.keys.sorted() where next.targets[name] == nil {
            plan.withdrawn.append(try releasePath(name))
        }
        return plan
    }

    private static func releasePath(_ name: String) throws -> ReleasePath {
        do {
            return try ReleasePath(name)
        } catch {
            throw ServerError.unprocessable(error.code, error.message, remedy: error.remedy, field: name)
        }
    }

    /// Whoever delegates to a role, and with which keys.
    private struct Delegation {
        let verifier: RoleVerifier
        let delegations: Delegations
        let namespace: String

        /// Whether a device would look for the path in this role.
        func covers(_ path: String, _ role: String) -> Bool {
            delegations.roles(covering: path).contains { $0.name == role }
        }
    }

    private static func delegator(
        of role: String, _ targets: TargetsMetadata, _ store: RoleStore
    ) throws -> Delegation {
        if let delegations = targets.delegations, let verifier = delegations.verifier(for: role) {
            return Delegation(verifier: verifier, delegations: delegations, namespace: role)
        }
        if case .named(let namespaces)? = targets.delegations?.roles {
            for namespace in namespaces {
                guard let bytes = try store.current(namespace.name)?.bytes else { continue }
                let metadata: TargetsMetadata = try document(bytes)
                if let delegations = metadata.delegations, let verifier = delegations.verifier(for: role) {
                    return Delegation(verifier: verifier, delegations: delegations, namespace: namespace.name)
                }
            }
        }
        throw ServerError.notFound(
            "unknownRole", "Nobody delegates to role \(role.prefix(Limits.quotedValueCharacters)).",
            remedy: "The owner of the targets role must delegate the namespace first.")
    }

    /// Top-level targets name the trust document and nothing that a publisher should sign.
    private static func checkTopLevel(_ targets: TargetsMetadata, _ sql: any SQLConnection) throws {
        for (name, target) in targets.targets {
            guard name == TrustDocument.path else {
                throw ServerError.unprocessable(
                    "notDelegated", "Top-level targets may name \(TrustDocument.path) only, not \(name).",
                    remedy: "Sign releases in the role of their namespace.", field: name)
            }
            let digest = try Digest("sha256:" + (target.hashes["sha256"] ?? "").lowercased())
            guard try RoleStore(sql).target(name, digest) != nil else {
                throw ServerError.unprocessable(
                    "contentMissing", "The registry does not have \(name) with digest \(digest).",
                    remedy: "Keep the trust document that is published.", field: name)
            }
        }
        guard targets.targets[TrustDocument.path] != nil else {
            throw ServerError.unprocessable(
                "wrongTrustDocument", "The targets role does not name \(TrustDocument.path).")
        }
    }

    /// Runs an acceptance; a wrong version becomes a conflict that says where the role stands.
    private static func accept<Value>(
        _ role: String, _ current: StoredMetadata?, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch let error as TUFError where error.reason == .versionMismatch {
            throw conflict(role, current: current?.version ?? 0)
        }
    }

    private static func document<Document: RoleMetadata>(
        _ bytes: [UInt8], _ limit: Int = Limits.tufMetadataBytes
    ) throws -> Document {
        try Document(json: try SignedEnvelope(parsing: bytes, limit: limit).signed)
    }
}
