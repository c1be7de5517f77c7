package import MartletTypes

/// One build of a release.
package struct VariantRow: Sendable, Hashable {
    package var digest: Digest
    package var architecture: String
    package var quantization: String
    package var size: ByteCount
    package var minMemory: ByteCount?

    package init(
        digest: Digest, architecture: String, quantization: String, size: ByteCount, minMemory: ByteCount? = nil
    ) {
        self.digest = digest
        self.architecture = architecture
        self.quantization = quantization
        self.size = size
        self.minMemory = minMemory
    }
}

/// Whether devices may install a release. Yanked outweighs blocked.
package enum ReleaseState: String, Sendable, Codable, CaseIterable {
    case published
    /// Refused online, at once.
    case blocked
    /// Its signature was withdrawn by the publisher.
    case yanked
}

/// A published release.
package struct ReleaseRow: Sendable, Hashable {
    package var path: ReleasePath
    package var kind: ReleaseKind
    package var indexDigest: Digest
    package var length: Int64
    package var state: ReleaseState
    /// Why it was blocked or yanked.
    package var stateReason: String?
    /// The floor of its repository.
    package var floor: SemanticVersion?
    package var published: Timestamp
    package var base: ReleasePath?
    package var variants: [VariantRow]
    package var minAccuracy: Double?
    package var aliases: [AliasName]
    /// Devices whose current generation has it.
    package var devices: Int

    package init(
        path: ReleasePath, kind: ReleaseKind, indexDigest: Digest, length: Int64, state: ReleaseState = .published,
        stateReason: String? = nil, published: Timestamp, base: ReleasePath? = nil, variants: [VariantRow] = [],
        minAccuracy: Double? = nil, aliases: [AliasName] = [], devices: Int = 0
    ) {
        self.path = path
        self.kind = kind
        self.indexDigest = indexDigest
        self.length = length
        self.state = state
        self.stateReason = stateReason
        self.published = published
        self.base = base
        self.variants = variants
        self.minAccuracy = minAccuracy
        self.aliases = aliases
        self.devices = devices
    }

    /// Whether its publisher forbids to install it, whoever assigns it.
    package var isBelowFloor: Bool { floor.map { path.version < $0 } ?? false }
}

/// Releases, their variants, and the digests that each reaches.
package struct ReleaseStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Publishes a release; returns false where it is there with the same index (nothing changes then).
    ///
    /// `objects` are all digests that the release reaches: index, manifests, configs, layers, an adapter's base blobs.
    /// Throws `alreadyExists` where the version has another index, `wrongKind` where the repository holds another kind.
    /// A yanked release that is signed again is published again.
    @discardableResult
    package func publish(_ release: ReleaseRow, objects: Set<Digest>) throws -> Bool {
        let repository = release.path.repository
        guard objects.count <= StoreLimits.objectsPerRelease else {
            throw StoreError(.tooLarge, "\(release.path.reference) reaches \(objects.count) objects.")
        }
        if let kept = try find(release.path) {
            guard kept.indexDigest == release.indexDigest else {
                throw StoreError(
                    .alreadyExists, "\(release.path.reference) is published with index \(kept.indexDigest).")
            }
            guard kept.state == .yanked else { return false }
            try setYanked(release.path, false, reason: nil)
            return true
        }
        try admitKind(release.kind, into: repository, now: release.published)
        try sql.execute(
            """
            INSERT INTO releases
                (repository, version, version_key, index_digest, length, base, min_accuracy, published)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(repository), .text(release.path.version), .text(release.path.version.sortKey),
                .text(release.indexDigest), .integer(release.length), .text(release.base),
                .optional(release.minAccuracy),
                .time(release.published),
            ])
        for (position, variant) in release.variants.enumerated() {
            try sql.execute(
                """
                INSERT INTO variants
                    (repository, version, position, digest, architecture, quantization, size, min_memory)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    .text(repository), .text(release.path.version), .integer(Int64(position)), .text(variant.digest),
                    .text(variant.architecture), .text(variant.quantization), .integer(variant.size.bytes),
                    .optional(variant.minMemory?.bytes),
                ])
        }
        for digest in objects.union([release.indexDigest]) {
            try sql.execute(
                "INSERT INTO release_objects (repository, version, digest) VALUES (?, ?, ?)",
                [.text(repository), .text(release.path.version), .text(digest)])
        }
        return true
    }

    /// A release by its path.
    package func find(_ path: ReleasePath) throws -> ReleaseRow? {
        try rows(where: "releases.repository = ? AND releases.version = ?", Self.key(path), limit: 1).first
    }

    /// Releases by repository, and within one by precedence of their versions; those after `last`, where given.
    package func list(
        repository: RepositoryName? = nil, after last: ReleasePath? = nil, limit: Int = Limits.pageRows
    ) throws -> [ReleaseRow] {
        var conditions = "1 = 1"
        var arguments: [SQLValue] = []
        if let repository {
            conditions += " AND releases.repository = ?"
            arguments.append(.text(repository))
        }
        if let last {
            conditions += " AND (releases.repository > ? OR (releases.repository = ? AND releases.version_key > ?))"
            arguments += [.text(last.repository), .text(last.repository), .text(last.version.sortKey)]
        }
        return try rows(where: conditions, arguments, limit: limit)
    }

    /// How many releases there are.
    package func count() throws -> Int {
        Int(try sql.first("SELECT COUNT(*) AS count FROM releases", [])?.integer("count") ?? 0)
    }

    /// Refuses a release online, at once, or takes that back; throws `notFound`.
    package func setBlocked(_ path: ReleasePath, _ isBlocked: Bool, reason: String?) throws {
        try setFlag("is_blocked", "block_reason", path, isBlocked, reason)
    }

    /// Notes that the publisher withdrew the signature, or signed again; throws `notFound`.
    package func setYanked(_ path: ReleasePath, _ isYanked: Bool, reason: String?) throws {
        try setFlag("is_yanked", "yank_reason", path, isYanked, reason)
    }

    /// Sets every release of a namespace as withdrawn; returns how many were not before.
    package func yankAll(in namespace: String, reason: String) throws -> Int {
        try sql.query(
            """
            UPDATE releases SET is_yanked = ?, yank_reason = ?
            WHERE substr(repository, 1, ?) = ? AND is_yanked = ? RETURNING version
            """,
            [
                .flag(true), .text(reason), .integer(Int64(namespace.count + 1)), .text(namespace + "/"), .flag(false),
            ]
        ).count
    }

    /// The releases of a namespace that devices are to run.
    package func desired(inNamespace namespace: String) throws -> [ReleasePath] {
        try sql.query(
            """
            SELECT DISTINCT repository, version FROM slot_releases
            WHERE phase = 'desired' AND substr(repository, 1, ?) = ? ORDER BY repository, version
            """, [.integer(Int64(namespace.count + 1)), .text(namespace + "/")]
        ).map { ReleasePath(repository: try $0.name("repository"), version: try $0.name("version")) }
    }

    /// Devices whose `phase` in any slot has a release, with the slot.
    package func users(of path: ReleasePath, phase: SlotPhase) throws -> [(device: DeviceID, slot: SlotName)] {
        try sql.query(
            """
            SELECT device, slot FROM slot_releases WHERE repository = ? AND version = ? AND phase = ?
            ORDER BY device, slot
            """, Self.key(path) + [.text(phase.rawValue)]
        ).map { (try $0.name("device"), try $0.name("slot")) }
    }

    /// The releases of a repository that devices are to run.
    package func desired(in repository: RepositoryName) throws -> [ReleasePath] {
        try sql.query(
            "SELECT DISTINCT version FROM slot_releases WHERE phase = 'desired' AND repository = ? ORDER BY version",
            [.text(repository)]
        ).map { ReleasePath(repository: repository, version: try $0.name("version")) }
    }

    /// The releases that devices say they run.
    func currentPaths() throws -> [ReleasePath] {
        try sql.query(
            """
            SELECT DISTINCT repository, version FROM slot_releases WHERE phase = 'current'
            ORDER BY repository, version
            """, []
        ).map { ReleasePath(repository: try $0.name("repository"), version: try $0.name("version")) }
    }

    /// The digests that a release reaches.
    package func objects(of path: ReleasePath) throws -> Set<Digest> {
        let rows = try sql.query(
            "SELECT digest FROM release_objects WHERE repository = ? AND version = ?", Self.key(path))
        return Set(try rows.map { try $0.name("digest") })
    }

    private func setFlag(
        _ column: String, _ reasonColumn: String, _ path: ReleasePath, _ value: Bool, _ reason: String?
    ) throws {
        let changed = try sql.execute(
            "UPDATE releases SET \(column) = ?, \(reasonColumn) = ? WHERE repository = ? AND version = ?",
            [.flag(value), .optional(reason)] + Self.key(path))
        guard changed > 0 else { throw StoreError(.notFound, "There is no release \(path.reference).") }
    }

    private func admitKind(_ kind: ReleaseKind, into repository: RepositoryName, now: Timestamp) throws {
        try sql.execute(
            "INSERT INTO repositories (name, kind, created) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
            [.text(repository), .text(kind.rawValue), .time(now)])
        let held: ReleaseKind? = try sql.first("SELECT kind FROM repositories WHERE name = ?", [.text(repository)])?
            .choice("kind")
        guard held == kind else {
            throw StoreError(
                .wrongKind, "\(repository) holds releases of kind \(held?.rawValue ?? "?"), not \(kind.rawValue).")
        }
    }

    private static func key(_ path: ReleasePath) -> [SQLValue] { [.text(path.repository), .text(path.version)] }

    private func rows(where conditions: String, _ arguments: [SQLValue], limit: Int) throws -> [ReleaseRow] {
        let releases = try sql.query(
            """
            SELECT releases.*, repositories.kind AS kind, repositories.floor AS floor,
                (SELECT COUNT(DISTINCT device) FROM slot_releases
                 WHERE slot_releases.repository = releases.repository AND slot_releases.version = releases.version
                 AND phase = 'current') AS devices
            FROM releases JOIN repositories ON repositories.name = releases.repository
            WHERE \(conditions) ORDER BY releases.repository, releases.version_key LIMIT ?
            """, arguments + [.integer(Int64(limit))])
        return try releases.map { row in
            let path = ReleasePath(repository: try row.name("repository"), version: try row.name("version"))
            let state = try Self.state(row)
            var release = ReleaseRow(
                path: path, kind: try row.choice("kind"), indexDigest: try row.name("index_digest"),
                length: try row.integer("length"), state: state,
                stateReason: try Self.reason(of: state, row),
                published: try row.time("published"), base: try row.optionalName("base"),
                variants: try variants(of: path),
                minAccuracy: try row.optionalReal("min_accuracy"), aliases: try AliasStore(sql).aliases(of: path),
                devices: Int(try row.integer("devices")))
            release.floor = try row.optionalName("floor")
            return release
        }
    }

    /// A release that was blocked first and then yanked keeps both reasons; the one of its state is told.
    private static func reason(of state: ReleaseState, _ row: SQLRow) throws -> String? {
        switch state {
        case .published: nil
        case .blocked: try row.optionalText("block_reason")
        case .yanked: try row.optionalText("yank_reason")
        }
    }

    private static func state(_ row: SQLRow) throws -> ReleaseState {
        if try row.flag("is_yanked") { return .yanked }
        return try row.flag("is_blocked") ? .blocked : .published
    }

    private func variants(of path: ReleasePath) throws -> [VariantRow] {
        try sql.query("SELECT * FROM variants WHERE repository = ? AND version = ? ORDER BY position", Self.key(path))
            .map {
                VariantRow(
                    digest: try $0.name("digest"), architecture: try $0.text("architecture"),
                    quantization: try $0.text("quantization"), size: ByteCount(try $0.integer("size")),
                    minMemory: try $0.optionalInteger("min_memory").map { ByteCount($0) })
            }
    }
}

extension SemanticVersion {
    /// A text whose byte order is the precedence of SemVer 2.0.0 section 11, so that a database can sort by it.
    ///
    /// Numbers are padded; `~` stands above any pre-release, which starts with `-`; a space ends each identifier and
    /// stands below all that identifiers may hold.
    var sortKey: String {
        let numbers = core.map(Self.padded).joined(separator: ".")
        guard !prerelease.isEmpty else { return numbers + "~" }
        let identifiers = prerelease.map { UInt64($0).map { "0" + Self.padded($0) } ?? "1" + $0 }
        return numbers + "-" + identifiers.map { $0 + " " }.joined()
    }

    private static func padded(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }
}
