import MartletAPI
import MartletTypes
import RegistryStore

extension OperatorService {
    /// One page of releases by repository and version.
    func releases(_ exchange: Exchange) async throws -> Page<ReleaseInfo> {
        let repository = try exchange.query("repository", as: RepositoryName.self)
        let last = try exchange.query("cursor", as: ReleasePath.self)
        let limit = try Self.pageLimit(exchange)
        let reach = try exchange.reach
        if let repository { try reach.require(namespace: repository.namespace) }
        return try await core.database.read { sql in
            let within = try DeviceReach(reach, sql).names(sql)
            var items: [ReleaseInfo] = []
            var last = last
            // Other namespaces are left out here, so pages are read until one is full or the end is reached.
            while true {
                let rows = try ReleaseStore(sql).list(repository: repository, after: last, limit: limit + 1)
                for row in rows where reach.contains(row.path) {
                    guard items.count < limit else { return Page(items: items, next: items.last?.path.text) }
                    items.append(try Self.info(row, within, sql))
                }
                guard rows.count > limit else { return Page(items: items) }
                last = rows.last?.path
            }
        }
    }

    func release(_ path: ReleasePath, _ reach: Reach) async throws -> ReleaseInfo {
        try reach.require(path)
        return try await core.database.read { sql in
            let row = try Self.release(path, sql)
            var info = try Self.info(row, try DeviceReach(reach, sql).names(sql), sql)
            info.takenBack = try Self.takenBack(row, reach, sql)
            return info
        }
    }

    /// A release; of devices that run it only those within reach are counted (nil: all).
    private static func info(
        _ row: ReleaseRow, _ within: Set<DeviceID>?, _ sql: any SQLConnection
    ) throws -> ReleaseInfo {
        var info = ReleaseInfo(row)
        if let within {
            let users = try ReleaseStore(sql).users(of: row.path, phase: .current).map(\.device)
            info.devices = Set(users).intersection(within).count
        }
        return info
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

    /// Blocks a release at once, or takes that back. Devices that do not run it yet are offered what they had.
    func block(_ request: BlockRequest, by caller: Caller) async throws -> ReleaseInfo {
        try caller.reach.require(request.path)
        let core = core
        return try await rollouts.drive { driver in
            let sql = driver.sql
            _ = try Self.release(request.path, sql)
            try ReleaseStore(sql).setBlocked(request.path, request.blocked, reason: request.reason)
            var detail: [String: JSONValue] = ["reason": .string(request.reason)]
            if request.blocked {
                let why = "\(request.path.reference) was blocked: \(request.reason)"
                let count = try RolloutService.withdrawOffers(of: request.path, because: why, &driver)
                detail["offersWithdrawn"] = .integer(Int64(count))
            }
            try AuditLog(sql).append(
                actor: caller.name, action: request.blocked ? "release.block" : "release.unblock",
                subject: request.path.text, detail: .object(detail), now: core.clock())
            let row = try Self.release(request.path, sql)
            var info = ReleaseInfo(row)
            info.takenBack = try Self.takenBack(row, caller.reach, sql)
            return info
        }
    }

    func aliases(_ repository: RepositoryName?, _ reach: Reach) async throws -> [Alias] {
        if let repository { try reach.require(namespace: repository.namespace) }
        return try await core.database.read {
            try AliasStore($0).list(repository).filter { reach.contains(namespace: $0.repository.namespace) }.map {
                Alias(repository: $0.repository, name: $0.name, version: $0.version)
            }
        }
    }

    func putAlias(_ alias: Alias, by caller: Caller) async throws -> Alias {
        try caller.reach.require(namespace: alias.repository.namespace)
        let core = core
        try await core.database.write { sql in
            let path = ReleasePath(repository: alias.repository, version: alias.version)
            _ = try Self.release(path, sql)
            let now = core.clock()
            try AliasStore(sql).set(
                AliasRow(repository: alias.repository, name: alias.name, version: alias.version), now: now)
            try AuditLog(sql).append(
                actor: caller.name, action: "alias.set", subject: "\(alias.repository)@\(alias.name)",
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
            }, minAccuracy: row.minAccuracy, devices: row.devices, reason: row.stateReason, floor: row.floor)
    }
}
