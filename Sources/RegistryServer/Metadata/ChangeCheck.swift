import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

/// Verifies a change of signed roles against what stands and against itself: after it every role that devices can reach
/// must verify, because a device between two states would install nothing.
struct ChangeCheck {
    let sql: any SQLConnection
    let core: RegistryCore
    let caller: Caller
    let now: Timestamp
    /// Whether signatures may still be missing; all else is checked all the same.
    var isGathering = false

    private var store: RoleStore { RoleStore(sql) }

    /// What the change does; nil where all of it stands already. Throws 403, 404 `unknownRole`, 409 `versionConflict`,
    /// 422 naming what does not hold.
    func plan(_ change: TrustChange) throws -> ChangePlan? {
        let envelopes = try Self.envelopes(change)
        let former = try Self.tree(sql)
        let next = try former.applying(envelopes)
        try checkPermission(Array(envelopes.keys), former, next)
        var plan = ChangePlan()
        var absent: [String: MetadataFileInfo]?
        for role in Self.order(Array(envelopes.keys), next) {
            let bytes = Array((change.roles[role] ?? "").utf8)
            let current = try store.current(role)
            if current?.bytes == bytes { continue }
            let named = try current == nil ? named(role, former, &absent) : nil
            let metadata = try accept(role, bytes, current, former, next, &plan, after: named)
            plan.roles.append(ChangePlan.Role(metadata: metadata, former: current?.version))
        }
        guard !plan.roles.isEmpty else { return nil }
        for role in [TopLevelRole.root.rawValue, TopLevelRole.targets.rawValue] + next.namespaceNames {
            plan.basis[role] = try store.currentVersion(of: role) ?? 0
        }
        if envelopes[TopLevelRole.root.rawValue] != nil {
            try OnlineKeyRules.check(next.root, core.keyring)
            plan.concernsOnlineKeys = true
        }
        if envelopes[TopLevelRole.targets.rawValue] != nil {
            plan.removed = Set(former.namespaceNames).subtracting(next.namespaceNames).sorted()
            try checkTopLevel(next.targets, change.trustDocument, &plan)
            plan.concernsOnlineKeys = true
        }
        try OnlineKeyRules.checkDelegations(of: next, core.keyring)
        try checkStanding(former, next, except: Set(envelopes.keys), change.suspends, &plan)
        return plan
    }

    /// Who may sign what, as it stands. Throws 503 before there is a root.
    static func tree(_ sql: any SQLConnection) throws -> DelegationTree {
        let store = RoleStore(sql)
        guard let root = try store.current(TopLevelRole.root.rawValue)?.bytes,
            let targets = try store.current(TopLevelRole.targets.rawValue)?.bytes
        else { throw ServerError.noRoot }
        var tree = DelegationTree(
            root: try document(root, Limits.tufRootBytes), targets: try document(targets), namespaces: [:])
        for name in tree.namespaceNames {
            if let bytes = try store.current(name)?.bytes { tree.namespaces[name] = try document(bytes) }
        }
        return tree
    }

    static func envelopes(_ change: TrustChange) throws -> [String: SignedEnvelope] {
        guard (1...ServerLimits.rolesPerChange).contains(change.roles.count) else {
            throw ServerError.badRequest(
                "A change has 1 to \(ServerLimits.rolesPerChange) roles.", field: "/roles")
        }
        return try change.roles.reduce(into: [:]) { envelopes, role in
            let limit = role.key == RootMetadata.type ? Limits.tufRootBytes : Limits.tufMetadataBytes
            envelopes[role.key] = try SignedEnvelope(parsing: Array(role.value.utf8), limit: limit)
        }
    }

    static func document<Document: RoleMetadata>(
        _ bytes: [UInt8], _ limit: Int = Limits.tufMetadataBytes
    ) throws -> Document {
        try Document(json: try SignedEnvelope(parsing: bytes, limit: limit).signed)
    }

    /// Delegators before those whom they delegate to.
    private static func order(_ roles: [String], _ tree: DelegationTree) -> [String] {
        func rank(_ role: String) -> Int {
            switch TopLevelRole(rawValue: role) {
            case .root: 0
            case .targets: 1
            case .snapshot, .timestamp: 2
            case nil: tree.namespace(of: role) == role ? 3 : 4
            }
        }
        return roles.sorted { (rank($0), $0) < (rank($1), $1) }
    }

    // MARK: - Callers

    /// The owner's roles need an admin of all namespaces; those of a namespace a publisher of it.
    private func checkPermission(_ roles: [String], _ former: DelegationTree, _ next: DelegationTree) throws {
        let concernsOwner = roles.contains { [TopLevelRole.root, .targets].map(\.rawValue).contains($0) }
        if concernsOwner {
            guard caller.role == .admin, caller.reach.limits.isEmpty else {
                throw ServerError.forbidden("the role admin")
            }
        }
        for role in roles where TopLevelRole(rawValue: role) == nil {
            guard let namespace = next.namespace(of: role) else { throw Self.unknown(role) }
            guard caller.reach.contains(namespace: namespace) else {
                throw ServerError.forbidden("a token of namespace \(namespace)")
            }
        }
        if roles.contains(where: { [TopLevelRole.snapshot, .timestamp].map(\.rawValue).contains($0) }) {
            throw ServerError.forbidden("the registry's own key")
        }
    }

    static func unknown(_ role: String) -> ServerError {
        .notFound(
            "unknownRole", "Nobody delegates to role \(role.prefix(Limits.quotedValueCharacters)).",
            remedy: "The owner of the targets role must delegate the namespace first.")
    }

    // MARK: - Roles

    /// The version that snapshots name of a role that is not here: it goes on above that. Throws 409 `roleNotHere`
    /// where it is delegated as before, because nobody could tell what the next version leaves out.
    private func named(
        _ role: String, _ former: DelegationTree, _ absent: inout [String: MetadataFileInfo]?
    ) throws -> Int? {
        let names = try absent ?? NamedRoles(store).absent
        absent = names
        guard let version = names[role]?.version else { return nil }
        guard former.namespace(of: role) == nil else {
            throw ServerError.conflict(
                "roleNotHere", "This registry knows role \(role) \(version) by its name only.",
                remedy: "Import a bundle that brings it: `martlet export` at the registry that has it.", field: role)
        }
        return version
    }

    private func accept(
        _ role: String, _ bytes: [UInt8], _ current: StoredMetadata?, _ former: DelegationTree,
        _ next: DelegationTree, _ plan: inout ChangePlan, after named: Int?
    ) throws -> StoredMetadata {
        if role == RootMetadata.type {
            let root = try accept(role, current) {
                isGathering
                    ? try unsigned(next.root, role, current)
                    : try MetadataRepository.acceptRoot(bytes, after: former.root, now: now)
            }
            return StoredMetadata(role: role, version: Int64(root.version), bytes: bytes, expires: root.expires)
        }
        guard let verifier = next.verifier(for: role) else { throw Self.unknown(role) }
        let targets = try accept(role, current) {
            isGathering
                ? try unsigned(try Self.document(bytes), role, current, after: named)
                : try MetadataRepository.acceptTargets(
                    bytes, role: role, verifier: verifier, current: current.map { Int($0.version) } ?? named ?? 0,
                    now: now)
        }
        if role != TargetsMetadata.type, let namespace = next.namespace(of: role) {
            // What a namespace held before it was removed binds those who sign for it anew in nothing but its version.
            let previous: TargetsMetadata? =
                try former.namespaceNames.contains(namespace) ? current.map { try Self.document($0.bytes) } : nil
            try Self.checkLayout(targets, after: previous, of: role, namespace)
            let comparison = ReleaseComparison(
                role: role, namespace: namespace, delegations: next.delegations(naming: role),
                walk: ReleaseWalk(sql: sql, now: now))
            try comparison.compare(targets, with: previous, &plan)
        }
        return StoredMetadata(role: role, version: Int64(targets.version), bytes: bytes, expires: targets.expires)
    }

    /// A document whose signatures are counted elsewhere.
    private func unsigned<Document: RoleMetadata>(
        _ document: Document, _ role: String, _ current: StoredMetadata?, after named: Int? = nil
    ) throws -> Document {
        guard Int64(document.version) == (current?.version ?? Int64(named ?? 0)) + 1 else {
            throw MetadataService.conflict(role, current: current?.version ?? 0)
        }
        guard !document.isExpired(at: now) else {
            throw ServerError.unprocessable(
                "expired", "\(role) \(document.version) has expired.", remedy: "Make the change again.", field: role)
        }
        return document
    }

    /// Runs an acceptance; a wrong version becomes a conflict that says where the role stands.
    private func accept<Value>(_ role: String, _ current: StoredMetadata?, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as TUFError where error.reason == .versionMismatch {
            throw MetadataService.conflict(role, current: current?.version ?? 0)
        }
    }

    /// Other bins would hide what the former ones hold.
    private static func checkLayout(
        _ next: TargetsMetadata, after former: TargetsMetadata?, of role: String, _ namespace: String
    ) throws {
        guard role == namespace, case .succinct(let bins)? = former?.delegations?.roles else { return }
        guard case .succinct(let changed)? = next.delegations?.roles, changed.bitLength == bins.bitLength,
            changed.namePrefix == bins.namePrefix
        else {
            throw ServerError.unprocessable(
                "layoutChanged",
                "The hash bins of \(namespace) may not change: releases would vanish with the old ones.",
                remedy: "Keep the bit length and the prefix.", field: role)
        }
    }

    /// Top-level targets name the trust document and nothing that a publisher should sign.
    private func checkTopLevel(_ targets: TargetsMetadata, _ text: String?, _ plan: inout ChangePlan) throws {
        if let stray = targets.targets.keys.sorted().first(where: { $0 != TrustDocument.path }) {
            throw ServerError.unprocessable(
                "notDelegated", "Top-level targets may name \(TrustDocument.path) only, not \(stray).",
                remedy: "Sign releases in the role of their namespace.", field: stray)
        }
        guard let target = targets.targets[TrustDocument.path] else {
            throw ServerError.unprocessable(
                "wrongTrustDocument", "The targets role does not name \(TrustDocument.path).")
        }
        let digest = try Digest("sha256:" + (target.hashes["sha256"] ?? "").lowercased())
        let bytes: [UInt8]
        if let text {
            bytes = Array(text.utf8)
            plan.trustDocument = bytes
        } else {
            guard let kept = try store.target(TrustDocument.path, digest) else {
                throw ServerError.unprocessable(
                    "contentMissing", "The registry does not have \(TrustDocument.path) with digest \(digest).",
                    remedy: "Send the document with the change.", field: "/trustDocument")
            }
            bytes = kept
        }
        try OnlineKeyRules.checkTrustDocument(bytes, in: targets, core.keyring)
    }

    // MARK: - What the change leaves as it is

    /// Every role that is not in the change must still verify where those who may sign it are others now.
    private func checkStanding(
        _ former: DelegationTree, _ next: DelegationTree, except changed: Set<String>, _ suspends: [String],
        _ plan: inout ChangePlan
    ) throws {
        for row in try store.versions() where !changed.contains(row.role) {
            guard let verifier = next.verifier(for: row.role), verifier != former.verifier(for: row.role),
                ![TopLevelRole.snapshot, .timestamp, .root].map(\.rawValue).contains(row.role)
            else { continue }
            guard let bytes = try store.current(row.role)?.bytes else { continue }
            let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.tufMetadataBytes)
            if try envelope.isSigned(by: [verifier]) { continue }
            if let namespace = next.namespace(of: row.role), suspends.contains(namespace) {
                if !plan.suspended.contains(namespace) { plan.suspended.append(namespace) }
                continue
            }
            throw ServerError.unprocessable(
                "leavesUnverified",
                "After this change \(row.role) \(row.version) would not be signed by those who may sign it.",
                remedy: "Sign \(row.role) with the new keys in the same change.", field: "/roles/\(row.role)")
        }
    }
}
