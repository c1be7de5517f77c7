import Logging
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
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ServerError.unprocessable("malformed", "The role \(role) is not a text in UTF-8.")
        }
        let receipt = try await apply(TrustChange(roles: [role: text]), by: caller)
        return RoleReceipt(role: role, version: receipt.roles[role] ?? 0, snapshot: receipt.snapshot)
    }

    /// Accepts several roles at once, all of them or none: see `put` and `ChangeCheck`. `proposal` is done with it.
    func apply(_ change: TrustChange, by caller: Caller, finishing proposal: String? = nil) async throws -> TrustReceipt
    {
        let core = core
        let plan = try await core.database.read { sql in
            try ChangeCheck(sql: sql, core: core, caller: caller, now: core.clock()).plan(change)
        }
        guard let plan else {
            if let proposal { _ = try await core.database.write { try ProposalStore($0).delete(proposal) } }
            return try await core.database.read { try Self.receipt(change, $0) }
        }
        try await checkBytes(of: plan)
        let (receipt, withdrawn) = try await core.database.write { sql in
            let now = core.clock()
            let withdrawn = try plan.write(sql, by: caller, now: now)
            if let proposal { _ = try ProposalStore(sql).delete(proposal) }
            try Self.signSnapshot(sql, core, now)
            return (try Self.receipt(change, sql), withdrawn)
        }
        core.changes.announce(.assignment, withdrawn.map(\.text))
        core.changes.announce(.metadata, change.roles.keys)
        if plan.concernsOnlineKeys { try await settleKeys() }
        return receipt
    }

    /// Rows can outlive files (a disk that lost some), so the bytes are looked for too.
    func checkBytes(of plan: ChangePlan) async throws {
        for finding in plan.published {
            for (digest, size) in finding.blobs where try await core.blobs.size(of: digest) != size {
                throw ServerError.unprocessable(
                    "contentMissing",
                    "The store has no \(digest) of \(size.bytes) bytes, which \(finding.row.path.reference) needs.",
                    remedy: "Push it again, then sign again.", field: digest.text)
            }
        }
    }

    private static func receipt(_ change: TrustChange, _ sql: any SQLConnection) throws -> TrustReceipt {
        let store = RoleStore(sql)
        return TrustReceipt(
            roles: try change.roles.keys.reduce(into: [:]) { $0[$1] = try store.currentVersion(of: $1) ?? 0 },
            snapshot: try store.currentVersion(of: TopLevelRole.snapshot.rawValue) ?? 0)
    }

    static func conflict(_ role: String, current: Int64) -> ServerError {
        .conflict(
            "versionConflict", "Role \(role) is at version \(current).",
            remedy: "Apply the change to version \(current) and sign version \(current + 1).")
    }
}

extension MetadataService {
    /// Makes the next key of a kind, which owners can sign for; nothing uses it before they did.
    func makeOnlineKey(_ name: OnlineKeyName, actor: String) async throws {
        let core = core
        guard try core.keyring.makeNext(name, now: core.clock()) else { return }
        _ = try await core.database.write { sql in
            try AuditLog(sql).append(
                actor: actor, action: "trust.makeOnlineKey", subject: name.rawValue, now: core.clock())
        }
        core.logger.notice("made the next online key", metadata: ["for": "\(name.rawValue)"])
    }

    /// Uses the online keys that owners have signed for, and drops those that they name no more.
    func settleKeys() async throws {
        let core = core
        let trusted = try await core.database.read { sql -> (RootMetadata, TrustDocument?)? in
            let store = RoleStore(sql)
            guard let root = try store.current(TopLevelRole.root.rawValue)?.bytes else { return nil }
            var document: TrustDocument?
            if let bytes = try store.current(TopLevelRole.targets.rawValue)?.bytes {
                let targets: TargetsMetadata = try ChangeCheck.document(bytes)
                let digest = targets.targets[TrustDocument.path]?.hashes["sha256"] ?? ""
                let kept = try store.target(TrustDocument.path, try Digest("sha256:" + digest.lowercased()))
                document = try kept.map { try TrustDocument(parsing: $0) }
            }
            return (try ChangeCheck.document(root, Limits.tufRootBytes), document)
        }
        guard let (root, document) = trusted else { return }
        for name in try core.keyring.settle(root: root, document: document) {
            _ = try await core.database.write { sql in
                try AuditLog(sql).append(
                    actor: "registry", action: "trust.dropOnlineKey", subject: name.rawValue, now: core.clock())
            }
            core.logger.notice("dropped the former online key", metadata: ["of": "\(name.rawValue)"])
        }
    }

    /// Says in the log what ends soon and has to be signed by a person; the command line and the metrics say it too.
    func warnOfEnds() async throws {
        let core = core
        let now = core.clock()
        let rows = try await core.database.read { sql in
            let isDelegated = try OperatorService.delegated(sql)
            return try RoleStore(sql).versions().filter { isDelegated($0.role) }
        }
        for row in rows where row.expires - now < ServerLimits.expiryNotice {
            if [TopLevelRole.snapshot, .timestamp].map(\.rawValue).contains(row.role) { continue }
            core.logger.warning(
                "metadata ends soon; its owner must sign it again",
                metadata: ["role": "\(row.role)", "ends": "\(row.expires)"])
            try await core.database.write { try Self.tell(row.role, row.expires, $0, now: now) }
        }
    }

    /// Once a day, however often the registry is started.
    private static func tell(_ role: String, _ end: Timestamp, _ sql: any SQLConnection, now: Timestamp) throws {
        let log = EventLog(sql)
        guard try !log.has(.trustExpiring, subject: role, since: now - .seconds(20 * 3600)) else { return }
        var scope = EventScope()
        if TopLevelRole(rawValue: role) == nil {
            // A bin is named after its namespace.
            scope.namespaces = [role.firstRange(of: "-bin-").map { String(role[..<$0.lowerBound]) } ?? role]
        }
        try log.append(
            .trustExpiring, subject: role, data: .object(["expires": .string(end.description)]), scope: scope, now: now)
    }
}
