package import Logging
import MartletAPI
package import MartletTypes
import RegistryStore
import RolloutEngine
import TUF

/// Puts a backup into an empty data folder, checked to its last byte, as a registry that goes on above whatever devices
/// may have accepted since.
package struct RegistryRestore: Sendable {
    /// How far every number is raised: more changes than a registry makes between a backup and its restore, and few
    /// enough for a thousand million restores.
    static let stride: Int64 = 1_000_000

    private let folder: DataFolder
    private let clock: Clock
    private let logger: Logger

    package init(dataFolder: String, clock: @escaping Clock, logger: Logger) {
        folder = DataFolder(path: dataFolder)
        self.clock = clock
        self.logger = logger
    }

    /// What a restore did.
    package struct Outcome: Sendable {
        /// What was copied.
        package let backup: BackupSummary
        /// The operators' tokens that the backup holds.
        package let tokens: [Token]
    }

    /// An operator's token of the backup.
    package struct Token: Sendable, Hashable {
        /// Who holds it.
        package let name: String
        package let role: String
        package let created: Timestamp
        /// When it ends; nil where it does not.
        package let expires: Timestamp?
    }

    /// Restores. Operators' tokens are revoked, because those that were revoked after the backup would be valid again,
    /// and nobody knows which; the first start then makes a new one. `keepsTokens` leaves them as they were.
    ///
    /// Throws `backupIncomplete`, `backupDamaged`, `dataFolderNotEmpty`, `dataFolderInUse`, and what the disk
    /// says. A restore that was cut off is begun again by the same call; until then nothing is served from the folder.
    package func run(from source: String, keepsTokens: Bool = false) async throws -> Outcome {
        let backup = DataFolder(path: source)
        let manifest = try Self.manifest(of: backup)
        try folder.create()
        let lock = try folder.lock()
        defer { lock.release() }
        let isEmpty = try BackupFiles.length(of: folder.database) == nil && BackupFiles.names(in: folder.keys).isEmpty
        guard try isEmpty || folder.read(folder.restoring) != nil else {
            throw ServerError(
                409, "dataFolderNotEmpty", "There is a registry in \(folder.path) already.",
                remedy: "Restore into an empty folder.", fault: .environment)
        }
        try folder.write(Array(source.utf8), to: folder.restoring, mode: 0o600)
        for suffix in ["", "-wal", "-shm"] { folder.remove(folder.database + suffix) }
        for (name, sum) in manifest.keys {
            try Self.copy(backup.keys + "/" + name, to: folder.keys + "/" + name, mode: 0o600, expecting: sum)
        }
        try BackupFiles.synchronizeFolder(folder.keys)
        try Self.copy(backup.database, to: folder.database, mode: 0o640, expecting: manifest.database)
        let copied = try await copyBlobs(from: backup)
        let tokens = try await goOn(from: manifest, keepsTokens)
        try BackupFiles.synchronizeFolder(folder.path)
        folder.remove(folder.restoring)
        try BackupFiles.synchronizeFolder(folder.path)
        return Outcome(
            backup: BackupSummary(
                created: manifest.created, blobs: manifest.blobs, bytes: ByteCount(manifest.bytes), copied: copied),
            tokens: tokens)
    }

    private static func manifest(of backup: DataFolder) throws -> BackupManifest {
        guard let bytes = try backup.read(backup.path + "/" + BackupManifest.fileName) else {
            throw ServerError(
                404, "backupIncomplete", "\(backup.path) is no finished backup: it has no \(BackupManifest.fileName).",
                remedy: "Make the backup again, or give another folder.", fault: .environment)
        }
        let manifest: BackupManifest
        do {
            manifest = try JSONText.decode(BackupManifest.self, from: bytes)
        } catch {
            throw damaged("\(backup.path)/\(BackupManifest.fileName)")
        }
        guard manifest.format <= BackupManifest.newestFormat else {
            throw ServerError(
                409, "backupTooNew", "The backup was made by martlet-registry \(manifest.version).",
                remedy: "Restore it with that version.", fault: .environment)
        }
        guard manifest.keys.keys.allSatisfy({ !$0.contains("/") && !$0.hasPrefix(".") }) else {
            throw damaged("\(backup.path)/\(BackupManifest.fileName)")
        }
        return manifest
    }

    private static func copy(
        _ source: String, to target: String, mode: UInt32, expecting sum: BackupFiles.Sum
    ) throws {
        guard try BackupFiles.copy(source, to: target, mode: mode) == sum else { throw damaged(source) }
    }

    private static func damaged(_ file: String) -> ServerError {
        ServerError(
            500, "backupDamaged", "\(file) is not what the backup was made with.", remedy: "Use another backup.",
            fault: .environment)
    }

    private func copyBlobs(from backup: DataFolder) async throws -> Int {
        let (source, target) = (try FileBlobStore(folder: backup.path), try FileBlobStore(folder: folder.path))
        var shards: Set<String> = []
        var copied = 0
        for (digest, size) in try await RegistryBackup.blobs(namedBy: folder.database) {
            let path = target.path(of: digest)
            let shard = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
            try BackupFiles.makeFolder(shard, mode: 0o755)
            let sum = try BackupFiles.copy(source.path(of: digest), to: path, mode: 0o444, digest.algorithm)
            guard sum.digest == digest, sum.length == size.bytes else { throw Self.damaged(source.path(of: digest)) }
            shards.insert(shard)
            copied += 1
        }
        for shard in shards { try BackupFiles.synchronizeFolder(shard) }
        return copied
    }

    /// Makes the copied database one that can go on: all in one transaction.
    private func goOn(from manifest: BackupManifest, _ keepsTokens: Bool) async throws -> [Token] {
        let database = try SQLiteDatabase(path: folder.database)
        let tokens: [Token]
        do {
            tokens = try await goOn(from: manifest, keepsTokens, database)
        } catch {
            try database.close()
            throw error
        }
        try database.close()
        return tokens
    }

    private func goOn(
        from manifest: BackupManifest, _ keepsTokens: Bool, _ database: SQLiteDatabase
    ) async throws -> [Token] {
        let now = clock()
        _ = try await Migrator(try Migration.shipped()).run(on: database, now: now)
        let core = RegistryCore(
            database: database, blobs: try FileBlobStore(folder: folder.path),
            keyring: try OnlineKeyring.open(folder, now: now), clock: clock, logger: logger, changes: ChangeHub(),
            presence: Presence(clock: clock), metrics: RequestMetrics(),
            deviceCertificateLife: ServerLimits.deviceCertificateLives.upperBound, requiresApproval: false)
        return try await database.write { sql in
            try RestoreStore(sql).goOn(by: Self.stride)
            var driver = RolloutDriver(sql, now: now)
            for id in try RolloutStore(sql).open() {
                let reason = "restored from the backup of \(manifest.created)"
                let pause = RolloutEvent.pause(by: "registry", reason: reason)
                if try driver.permits(pause, id) { try driver.tell(pause, id) }
            }
            try driver.finish()
            try AuditLog(sql).append(
                actor: "registry", action: "registry.restore", subject: "registry",
                detail: .object(["backup": .string(manifest.created.description)]), now: now)
            let tokens = try Self.tokens(sql, keepsTokens, now: now)
            let roles = RoleStore(sql)
            guard let snapshot = try roles.currentVersion(of: TopLevelRole.snapshot.rawValue),
                let timestamp = try roles.currentVersion(of: TopLevelRole.timestamp.rawValue)
            else { return tokens }
            try MetadataService.signSnapshot(
                sql, core, now, above: (snapshot: snapshot + Self.stride, timestamp: timestamp + Self.stride))
            return tokens
        }
    }

    /// The tokens of the backup, which are revoked unless they are kept.
    private static func tokens(_ sql: any SQLConnection, _ keepsTokens: Bool, now: Timestamp) throws -> [Token] {
        let store = TokenStore(sql)
        return try store.list().map { row in
            if !keepsTokens {
                _ = try store.delete(id: row.id)
                try AuditLog(sql).append(
                    actor: "registry", action: "token.revoke", subject: row.name,
                    detail: .object(["id": .string(row.id), "because": .string("restored from a backup")]), now: now)
            }
            return Token(name: row.name, role: row.role, created: row.created, expires: row.expires)
        }
    }
}
