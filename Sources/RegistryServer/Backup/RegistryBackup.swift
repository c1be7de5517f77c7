package import MartletTypes
import RegistryStore

/// Copies a data folder while its registry runs, or not.
///
/// The database is copied in one moment; blobs never change, so those that it names are copied after it. A blob that
/// goes meanwhile, or a key that is changed, makes it begin again with the database.
package struct RegistryBackup: Sendable {
    /// How often it begins again.
    private static let attempts = 5

    private let folder: DataFolder
    private let clock: Clock

    package init(dataFolder: String, clock: @escaping Clock) {
        folder = DataFolder(path: dataFolder)
        self.clock = clock
    }

    /// Makes a backup in `target`, or brings the one that is there up to date: blobs that it has are not copied again.
    ///
    /// Throws `notADataFolder`, `backupUnsteady` where the folder kept changing, and what the disk says.
    package func run(to target: String) async throws -> BackupSummary {
        guard BackupFiles.length(of: folder.database) != nil else {
            throw ServerError(
                404, "notADataFolder", "There is no registry in \(folder.path).",
                remedy: "Give its folder with --data.", fault: .environment)
        }
        try BackupFiles.makeFolder(target, mode: 0o700)
        let copy = DataFolder(path: target)
        try BackupFiles.makeFolder(copy.keys, mode: 0o700)
        // From here on until the end this is no backup.
        folder.remove(target + "/" + BackupManifest.fileName)
        try BackupFiles.synchronizeFolder(target)
        for _ in 0..<Self.attempts {
            if let summary = try await attempt(copy) { return summary }
        }
        throw ServerError(
            503, "backupUnsteady", "\(folder.path) kept changing while it was copied.", remedy: "Try again.",
            fault: .environment)
    }

    private func attempt(_ copy: DataFolder) async throws -> BackupSummary? {
        let created = clock()
        let keys = try copyKeys(to: copy)
        let (database, named) = try await copyDatabase(to: copy)
        guard try sums(of: folder.keys) == keys else { return nil }
        guard let blobs = try copyBlobs(named, to: copy) else { return nil }
        let manifest = BackupManifest(
            version: RegistryVersion.text, created: created, database: database, keys: keys, blobs: blobs.count,
            bytes: blobs.bytes)
        try copy.write(try JSONText.encode(manifest), to: copy.path + "/" + BackupManifest.fileName, mode: 0o600)
        return BackupSummary(
            created: created, blobs: blobs.count, bytes: ByteCount(blobs.bytes), copied: blobs.copied)
    }

    private func sums(of keys: String) throws -> [String: BackupFiles.Sum] {
        try BackupFiles.names(in: keys).filter { !$0.hasSuffix(".new") }.reduce(into: [:]) { sums, name in
            sums[name] = try BackupFiles.read(keys + "/" + name)
        }
    }

    private func copyKeys(to copy: DataFolder) throws -> [String: BackupFiles.Sum] {
        for name in try BackupFiles.names(in: copy.keys) { copy.remove(copy.keys + "/" + name) }
        var sums: [String: BackupFiles.Sum] = [:]
        for name in try BackupFiles.names(in: folder.keys) where !name.hasSuffix(".new") {
            sums[name] = try BackupFiles.copy(folder.keys + "/" + name, to: copy.keys + "/" + name, mode: 0o600)
        }
        try BackupFiles.synchronizeFolder(copy.keys)
        return sums
    }

    /// The database of this moment, and every blob that it names. What is kept was never opened: that would change it.
    private func copyDatabase(to copy: DataFolder) async throws -> (BackupFiles.Sum, [Digest: ByteCount]) {
        let temporary = copy.database + ".copy"
        func clear() { for suffix in ["", "-wal", "-shm", "-journal"] { copy.remove(temporary + suffix) } }
        clear()
        defer { clear() }
        let database = try SQLiteDatabase(path: folder.database)
        do {
            try await database.backup(to: temporary)
        } catch {
            try database.close()
            throw error
        }
        try database.close()
        let sum = try BackupFiles.copy(temporary, to: copy.database, mode: 0o600)
        try BackupFiles.synchronizeFolder(copy.path)
        return (sum, try await Self.blobs(namedBy: temporary))
    }

    /// Copies every blob that the copied database names; nil where one is not there any more.
    private func copyBlobs(
        _ named: [Digest: ByteCount], to copy: DataFolder
    ) throws -> (count: Int, bytes: Int64, copied: Int)? {
        let (source, target) = (try FileBlobStore(folder: folder.path), try FileBlobStore(folder: copy.path))
        var (count, bytes, copied) = (0, Int64(0), 0)
        var shards: Set<String> = []
        for (digest, size) in named {
            count += 1
            bytes += size.bytes
            let path = target.path(of: digest)
            if BackupFiles.length(of: path) == size.bytes { continue }
            guard BackupFiles.length(of: source.path(of: digest)) == size.bytes else { return nil }
            let shard = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
            try BackupFiles.makeFolder(shard, mode: 0o755)
            let sum = try BackupFiles.copy(source.path(of: digest), to: path, mode: 0o444, digest.algorithm)
            guard sum.digest == digest else {
                copy.remove(path)
                throw ServerError(
                    500, "blobDamaged", "\(digest) is damaged in \(folder.path).",
                    remedy: "Restore that blob from an earlier backup, or delete its release.", fault: .environment)
            }
            shards.insert(shard)
            copied += 1
        }
        for shard in shards { try BackupFiles.synchronizeFolder(shard) }
        return (count, bytes, copied)
    }

    /// Every blob that a database names, with its length.
    static func blobs(namedBy path: String) async throws -> [Digest: ByteCount] {
        let database = try SQLiteDatabase(path: path)
        do {
            let blobs = try await database.read { try ManifestStore($0).allBlobs() }
            try database.close()
            return blobs
        } catch {
            try database.close()
            throw error
        }
    }
}
