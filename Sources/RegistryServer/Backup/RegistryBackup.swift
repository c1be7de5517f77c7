package import MartletTypes
import RegistryStore

/// Copies a data folder while its registry runs, or not.
///
/// The database is copied in one moment; blobs never change, so those that it names are copied after it. A blob that
/// goes meanwhile, or a key that is changed, makes it begin again with the database. What a former run has made stays
/// whole beside it until the new state is: a crash at any instant leaves the one or the other.
package struct RegistryBackup: Sendable {
    /// How often it begins again.
    private static let attempts = 5

    private let folder: DataFolder
    private let clock: Clock
    private let onStep: @Sendable (String) throws -> Void

    /// `onStep` is told of each change of the backup's folder before it is made; what it throws ends the run there.
    package init(
        dataFolder: String, clock: @escaping Clock, onStep: @escaping @Sendable (String) throws -> Void = { _ in }
    ) {
        folder = DataFolder(path: dataFolder)
        self.clock = clock
        self.onStep = onStep
    }

    /// Makes a backup in `target`, or brings the one that is there up to date: blobs that it has are not copied again.
    /// With `verifies` they are read and hashed, and what is damaged is copied anew.
    ///
    /// Where root runs it, what it makes goes to the user whom `target` belongs to, also when it fails.
    ///
    /// Throws `notADataFolder`, `backupIntoRegistry`, `backupUnsteady` where the folder kept changing, `backupInUse`,
    /// and what the disk says. The backup that was there before is as good as it was then.
    package func run(to target: String, verifies: Bool = false) async throws -> BackupSummary {
        guard BackupFiles.length(of: folder.database) != nil else {
            throw ServerError(
                404, "notADataFolder", "There is no registry in \(folder.path).",
                remedy: "Give its folder with --data.", fault: .environment)
        }
        try BackupFiles.makeFolder(target, mode: 0o700)
        let backup = BackupFolder(path: target)
        try backup.refuseRegistry(folder)
        let owner = FolderOwner(of: target)
        let lock = try backup.lock()
        defer { lock.release() }
        do {
            let summary = try await bring(backup, verifies)
            try owner?.takeOver(backup.names())
            remember(summary.created)
            return summary
        } catch {
            // The owner's next run needs what there is.
            let first = error
            do { try owner?.takeOver(backup.names()) } catch { throw first }
            throw first
        }
    }

    private func bring(_ backup: BackupFolder, _ verifies: Bool) async throws -> BackupSummary {
        do {
            // What a run that was cut off has left needs the room.
            try backup.clear(onStep)
            for _ in 0..<Self.attempts {
                if let summary = try await attempt(backup, verifies) { return summary }
            }
        } catch let error as any MartletError {
            guard error.code == ServerError.diskFull.code else { throw error }
            throw ServerError(
                507, "backupFull",
                "There is no room in \(backup.path) for this backup; one that was there is untouched.",
                remedy: "Free space there, or give another folder.", fault: .environment)
        }
        throw ServerError(
            503, "backupUnsteady", "\(folder.path) kept changing while it was copied.", remedy: "Try again.",
            fault: .environment)
    }

    /// Leaves word for the registry's figures.
    private func remember(_ created: Timestamp) {
        do {
            try folder.write(
                Array("\(created.milliseconds)\n".utf8), to: folder.backedUp, mode: 0o644, folderMayBeLink: false)
        } catch {
            // A folder that takes no writes can be backed up all the same; its registry then tells of no backup.
        }
    }

    private func attempt(_ backup: BackupFolder, _ verifies: Bool) async throws -> BackupSummary? {
        let name = try backup.nextState()
        let state = DataFolder(path: backup.path + "/" + name)
        do {
            guard let summary = try await make(state, name, in: backup, verifies) else {
                try BackupFiles.removeTree(state.path)
                return nil
            }
            return summary
        } catch {
            // Nothing names it yet, or the manifest does: `clear` tells the two apart. The first error counts.
            let first = error
            do { try backup.clear { _ in } } catch { throw first }
            throw first
        }
    }

    /// Makes the state beside the present one, then names it: from that moment on it is the backup.
    private func make(
        _ state: DataFolder, _ name: String, in backup: BackupFolder, _ verifies: Bool
    ) async throws -> BackupSummary? {
        let created = clock()
        try onStep("make \(name)")
        try BackupFiles.makeFolder(state.path, mode: 0o700)
        try BackupFiles.makeFolder(state.keys, mode: 0o700)
        let keys = try copyKeys(to: state)
        let (database, named) = try await copyDatabase(to: state)
        guard try sums(of: folder.keys) == keys else { return nil }
        guard let blobs = try copyBlobs(named, to: backup.path, verifies) else { return nil }
        try BackupFiles.synchronizeFolder(state.path)
        try BackupFiles.synchronizeFolder(backup.path)
        let manifest = BackupManifest(
            version: RegistryVersion.text, created: created, state: name, database: database, keys: keys,
            blobs: named.count, bytes: named.values.reduce(0) { $0 + $1.bytes })
        try onStep("name \(name)")
        try state.write(try JSONText.encode(manifest), to: backup.manifestFile, mode: 0o600)
        try backup.clear(onStep)
        return BackupSummary(
            created: created, blobs: manifest.blobs, bytes: ByteCount(manifest.bytes), copied: blobs.copied,
            mended: blobs.mended)
    }

    private func sums(of keys: String) throws -> [String: BackupFiles.Sum] {
        try BackupFiles.names(in: keys).filter { !$0.hasSuffix(".new") }.reduce(into: [:]) { sums, name in
            sums[name] = try BackupFiles.read(keys + "/" + name)
        }
    }

    private func copyKeys(to state: DataFolder) throws -> [String: BackupFiles.Sum] {
        var sums: [String: BackupFiles.Sum] = [:]
        for name in try BackupFiles.names(in: folder.keys) where !name.hasSuffix(".new") {
            try onStep("copy \(name)")
            sums[name] = try BackupFiles.copy(folder.keys + "/" + name, to: state.keys + "/" + name, mode: 0o600)
        }
        try BackupFiles.synchronizeFolder(state.keys)
        return sums
    }

    /// The database of this moment, and every blob that it names. What is kept was never opened: that would change it.
    private func copyDatabase(to state: DataFolder) async throws -> (BackupFiles.Sum, [Digest: ByteCount]) {
        let temporary = state.database + ".copy"
        func clear() { for suffix in ["", "-wal", "-shm", "-journal"] { state.remove(temporary + suffix) } }
        defer { clear() }
        try onStep("copy the database")
        let database = try SQLiteDatabase(path: folder.database)
        do {
            try await database.backup(to: temporary)
        } catch {
            try database.close()
            throw error
        }
        try database.close()
        try onStep("keep the database")
        let sum = try BackupFiles.copy(temporary, to: state.database, mode: 0o600)
        return (sum, try await Self.blobs(namedBy: temporary))
    }

    /// Copies every blob that the copied database names; nil where one is not there any more.
    private func copyBlobs(
        _ named: [Digest: ByteCount], to target: String, _ verifies: Bool
    ) throws -> (copied: Int, mended: Int)? {
        var (copied, mended) = (0, 0)
        let top = target + "/blobs"
        try BackupFiles.makeFolder(top, mode: 0o700)
        // Those of blobs that are there already too: the run that brought them may have been cut off just then.
        var folders: Set<String> = [top]
        for (digest, size) in named {
            let original = FileBlobStore.path(of: digest, in: folder.path)
            let path = FileBlobStore.path(of: digest, in: target)
            let shard = BackupFiles.folder(of: path)
            let algorithm = BackupFiles.folder(of: shard)
            folders.formUnion([shard, algorithm])
            let isThere = BackupFiles.length(of: path) == size.bytes
            let isWhole = try isThere && (!verifies || BackupFiles.read(path, digest.algorithm).digest == digest)
            if isWhole { continue }
            guard BackupFiles.length(of: original) == size.bytes else { return nil }
            try onStep("copy \(digest)")
            for folder in [algorithm, shard] { try BackupFiles.makeFolder(folder, mode: 0o755) }
            try copy(digest, original, to: path)
            copied += 1
            mended += isThere ? 1 : 0
        }
        for folder in folders.sorted() { try BackupFiles.synchronizeFolder(folder) }
        return (copied, mended)
    }

    private func copy(_ digest: Digest, _ source: String, to path: String) throws {
        let isWhole = try BackupFiles.copy(source, to: path, mode: 0o444, digest.algorithm, if: { $0.digest == digest })
        guard !isWhole else { return }
        throw ServerError(
            500, "blobDamaged", "\(source) is damaged: it does not hash to its name.",
            remedy: "Put that file back from an earlier backup, which has it under the same name below `blobs`; or "
                + "delete it and push the same bytes again (`oras blob push`, `skopeo copy`).",
            fault: .environment)
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
