import MartletAPI
import MartletTypes
import RegistryStore

extension OperatorService {
    /// One page of releases by repository and version.
    func releases(_ exchange: Exchange) async throws -> Page<ReleaseInfo> {
        let repository = try exchange.query("repository", as: RepositoryName.self)
        let last = try exchange.query("cursor", as: ReleasePath.self)
        let limit = try Self.pageLimit(exchange)
        let rows = try await core.database.read {
            try ReleaseStore($0).list(repository: repository, after: last, limit: limit + 1)
        }
        let items = rows.prefix(limit).map(ReleaseInfo.init)
        return Page(items: items, next: rows.count > limit ? items.last?.path.text : nil)
    }

    func release(_ path: ReleasePath) async throws -> ReleaseInfo {
        try await core.database.read { ReleaseInfo(try Self.release(path, $0)) }
    }

    /// The row of a release; throws 404 `unknownRelease` with the remedy.
    static func release(_ path: ReleasePath, _ sql: any SQLConnection) throws -> ReleaseRow {
        guard let row = try ReleaseStore(sql).find(path) else {
            throw ServerError.notFound(
                "unknownRelease", "There is no release \(path.reference).",
                remedy: "`martlet releases list` shows what is published; publish it with `martlet publish`.")
        }
        return row
    }

    /// Blocks a release at once, or takes that back.
    func block(_ request: BlockRequest, actor: String) async throws -> ReleaseInfo {
        let core = core
        return try await core.database.write { sql in
            _ = try Self.release(request.path, sql)
            try ReleaseStore(sql).setBlocked(request.path, request.blocked, reason: request.reason)
            try AuditLog(sql).append(
                actor: actor, action: request.blocked ? "release.block" : "release.unblock", subject: request.path.text,
                detail: .object(["reason": .string(request.reason)]), now: core.clock())
            return ReleaseInfo(try Self.release(request.path, sql))
        }
    }

    func aliases(_ repository: RepositoryName?) async throws -> [Alias] {
        try await core.database.read {
            try AliasStore($0).list(repository).map {
                Alias(repository: $0.repository, name: $0.name, version: $0.version)
            }
        }
    }

    func putAlias(_ alias: Alias, actor: String) async throws -> Alias {
        let core = core
        try await core.database.write { sql in
            let path = ReleasePath(repository: alias.repository, version: alias.version)
            _ = try Self.release(path, sql)
            let now = core.clock()
            try AliasStore(sql).set(
                AliasRow(repository: alias.repository, name: alias.name, version: alias.version), now: now)
            try AuditLog(sql).append(
                actor: actor, action: "alias.set", subject: "\(alias.repository)@\(alias.name)",
                detail: .object(["version": .string(alias.version.text)]), now: now)
        }
        return alias
    }
}

extension ReleaseInfo {
    init(_ row: ReleaseRow) {
        let state: State =
            switch row.state {
            case .published: .published
            case .blocked: .blocked
            case .yanked: .yanked
            }
        self.init(
            path: row.path, kind: row.kind, indexDigest: row.indexDigest, length: row.length, state: state,
            published: row.published, aliases: row.aliases, base: row.base,
            variants: row.variants.map {
                Variant(
                    digest: $0.digest, architecture: $0.architecture, quantization: $0.quantization, size: $0.size,
                    minMemory: $0.minMemory)
            }, minAccuracy: row.minAccuracy, devices: row.devices)
    }
}
