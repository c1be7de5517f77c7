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
    /// Where root restores, what it makes goes to the user whom the data folder belongs to, also when it fails.
    ///
    /// Throws `backupIncomplete`, `backupDamaged`, `dataFolderNotEmpty`, `dataFolderInUse`, and what the disk
    /// says. A restore that was cut off is begun again by the same call; until then nothing is served from the folder.
    package func run(from source: String, keepsTokens: Bool = false) async throws -> Outcome {
        let backup = BackupFolder(path: source)
        let manifest = try backup.manifest()
        let state = backup.state(manifest)
        try folder.create()
        let lock = try folder.lock()
        defer { lock.release() }
        let isEmpty = try BackupFiles.length(of: folder.database) == nil && BackupFiles.names(in: folder.keys).isEmpty
        guard isEmpty || BackupFiles.length(of: folder.restoring) != nil else {
            throw ServerError(
                409, "dataFolderNotEmpty", "There is a registry in \(folder.path) already.",
                remedy: "Restore into an empty folder.", fault: .environment)
        }
        let owner = FolderOwner(of: folder.path)
        do {
            let outcome = try await fill(from: source, manifest, state, keepsTokens)
            try owner?.takeOver(folder.restoredNames)
            folder.remove(folder.restoring)
            try BackupFiles.synchronizeFolder(folder.path)
            return outcome
        } catch {
            // What there is says to the registry's user too that a restore is not finished.
            let first = error
            do { try owner?.takeOver(folder.restoredNames) } catch { throw first }
            throw first
        }
    }

    private func fill(
        from source: String, _ manifest: BackupManifest, _ state: DataFolder, _ keepsTokens: Bool
    ) async throws -> Outcome {
        try folder.write(Array(source.utf8), to: folder.restoring, mode: 0o600)
        for suffix in ["", "-wal", "-shm"] { folder.remove(folder.database + suffix) }
        for (name, sum) in manifest.keys {
            try Self.copy(state.keys + "/" + name, to: folder.keys + "/" + name, mode: 0o600, expecting: sum)
        }
        try BackupFiles.synchronizeFolder(folder.keys)
        try Self.copy(state.database, to: folder.database, mode: 0o640, expecting: manifest.database)
        let copied = try await copyBlobs(from: source)
        let tokens = try await goOn(from: manifest, keepsTokens)
        try BackupFiles.synchronizeFolder(folder.path)
        return Outcome(
            backup: BackupSummary(
                created: manifest.created, blobs: manifest.blobs, bytes: ByteCount(manifest.bytes), copied: copied,
                mended: 0),
            tokens: tokens)
    }

    private static func copy(
        _ source: String, to target: String, mode: UInt32, expecting sum: BackupFiles.Sum
    ) throws {
        guard try BackupFiles.copy(source, to: target, mode: mode) == sum else { throw BackupFolder.damaged(source) }
    }

    private func copyBlobs(from backup: String) async throws -> Int {
        var folders: Set<String> = [folder.blobs]
        var copied = 0
        for (digest, size) in try await RegistryBackup.blobs(namedBy: folder.database) {
            let original = FileBlobStore.path(of: digest, in: backup)
            let path = FileBlobStore.path(of: digest, in: folder.path)
            let shard = BackupFiles.folder(of: path)
            let algorithm = BackupFiles.folder(of: shard)
            for folder in [algorithm, shard] { try BackupFiles.makeFolder(folder, mode: 0o755) }
            let sum = try BackupFiles.copy(original, to: path, mode: 0o444, digest.algorithm)
            guard sum.digest == digest, sum.length == size.bytes else { throw BackupFolder.damaged(original) }
            folders.formUnion([shard, algorithm])
            copied += 1
        }
        for folder in folders.sorted() { try BackupFiles.synchronizeFolder(folder) }
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
