import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension MetadataService {
    /// Takes over metadata that owner and publishers signed for another registry, and publishes what it names and is
    /// here. The same again changes nothing. A registry without a root gets its root this way.
    ///
    /// Throws what `ImportCheck` throws, and 422 `contentMissing` where a blob is not there.
    func take(_ request: MetadataImport, actor: String) async throws -> MetadataImportReceipt {
        var receipt = MetadataImportReceipt(roles: [], published: [], withdrawn: [])
        // Adapters are published once their base is: what the first round published lets the second go on.
        while true {
            let plan = try await takeOnce(request, actor: actor)
            if plan.isEmpty { break }
            receipt.roles += plan.roles.map(\.metadata.role)
            receipt.published += plan.published.map(\.row.path)
            receipt.withdrawn += plan.withdrawn
            if plan.published.isEmpty { break }
        }
        return receipt
    }

    private func takeOnce(_ request: MetadataImport, actor: String) async throws -> ImportPlan {
        let core = core
        let plan = try await core.database.read { sql in
            try ImportCheck(sql: sql, core: core, now: core.clock()).plan(request)
        }
        guard !plan.isEmpty else { return plan }
        var content = ChangePlan()
        content.published = plan.published
        try await checkBytes(of: content)
        try await core.database.write { sql in
            try Self.write(plan, sql, actor: actor, now: core.clock())
            guard !plan.roles.isEmpty || plan.above != nil || !plan.named.isEmpty else { return }
            try Self.signSnapshot(
                sql, core, core.clock(), above: (plan.above?.snapshot ?? 0, plan.above?.timestamp ?? 0),
                naming: plan.named)
        }
        core.changes.announce(.metadata, Set(plan.roles.map(\.metadata.role) + [TopLevelRole.snapshot.rawValue]))
        if plan.roles.contains(where: { TopLevelRole(rawValue: $0.metadata.role) != nil }) { try await settleKeys() }
        if plan.isFirstRoot { core.logger.info("the root came by an import; the registry is ready") }
        return plan
    }

    private static func write(_ plan: ImportPlan, _ sql: any SQLConnection, actor: String, now: Timestamp) throws {
        let store = RoleStore(sql)
        for (metadata, former) in plan.roles {
            let current = try store.currentVersion(of: metadata.role)
            guard current == former else { throw conflict(metadata.role, current: current ?? 0) }
            try store.put(metadata, replacing: current, now: now)
        }
        if let document = plan.trustDocument { try store.putTarget(TrustDocument.path, document, now: now) }
        let audit = AuditLog(sql)
        if !plan.roles.isEmpty || plan.above != nil || !plan.named.isEmpty {
            let versions = plan.roles.map { ($0.metadata.role, JSONValue.integer($0.metadata.version)) }
            var detail: [String: JSONValue] = ["roles": .object(Dictionary(versions) { $1 })]
            if let above = plan.above {
                detail["above"] = .object([
                    "snapshot": .integer(above.snapshot), "timestamp": .integer(above.timestamp),
                ])
            }
            let subject = plan.roles.first?.metadata.role ?? TopLevelRole.snapshot.rawValue
            try audit.append(
                actor: actor, action: "tuf.import", subject: plan.isFirstRoot ? "root" : subject,
                detail: .object(detail), now: now)
        }
        for finding in plan.published {
            try ReleaseStore(sql).publish(finding.row, objects: finding.objects)
            try audit.append(
                actor: actor, action: "release.import", subject: finding.row.path.text,
                detail: .object(["index": .string(finding.row.indexDigest.text)]), now: now)
        }
        for path in plan.withdrawn {
            try ReleaseStore(sql).setYanked(path, true, reason: "withdrawn by its publisher")
            try audit.append(actor: actor, action: "release.yank", subject: path.text, now: now)
        }
        for floor in plan.floors {
            let known = try FloorStore(sql).floor(of: floor.repository)
            let isHere = try ReleaseStore(sql).list(repository: floor.repository, limit: 1).first != nil
            guard isHere, floor.floor.number > known?.number ?? 0 else { continue }
            try FloorStore(sql).set(floor.floor, of: floor.repository)
            try RoleStore(sql).putTarget(
                ReleaseFloor.path(of: floor.repository), try floor.floor.document(for: floor.repository), now: now)
        }
    }
}
