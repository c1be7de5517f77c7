import Glibc
import MartletTypes

/// The folder of a backup: the state that counts, and room for the next one beside it.
struct BackupFolder: Sendable {
    /// How the folders of states begin; a number follows.
    private static let statePrefix = "state-"

    let path: String

    var manifestFile: String { path + "/" + BackupManifest.fileName }
    private var lockFile: String { path + "/lock" }

    /// The names of what runs make in it; whatever else is there is somebody else's.
    func names() throws -> [String] {
        let states = try BackupFiles.names(in: path).filter { Self.number(of: $0) != nil }
        return ["lock", "blobs", BackupManifest.fileName] + states
    }

    /// Throws `backupIntoRegistry` where this is the data folder, or any registry's.
    func refuseRegistry(_ data: DataFolder) throws {
        let isData = try BackupFiles.isSame(path, data.path)
        let names = try Set(BackupFiles.names(in: path))
        // The database alone may be what format 1 has left of a backup.
        let hasDatabase = BackupFiles.length(of: DataFolder(path: path).database) != nil
        let isRegistry = hasDatabase && !names.contains(BackupManifest.fileName)
        guard isData || isRegistry || names.contains("run") else { return }
        throw ServerError(
            409, "backupIntoRegistry", "\(path) is the data folder of a registry, which a backup would change.",
            remedy: "Give a folder of the backup's own.", fault: .caller)
    }

    /// The hold of one run on the folder; ends with the process or with `release`.
    struct Lock: Sendable {
        fileprivate let descriptor: Int32

        func release() { close(descriptor) }
    }

    /// Takes the folder for one run; throws `backupInUse` while another one writes to it.
    func lock() throws -> Lock {
        let descriptor = open(lockFile, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BackupFiles.failure("open", lockFile) }
        // File systems of other machines may have no locks: that keeps nobody from a backup.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
            close(descriptor)
            throw ServerError(
                503, "backupInUse", "Another backup into \(path) is under way.", remedy: "Wait for its end.",
                fault: .environment)
        }
        return Lock(descriptor: descriptor)
    }

    /// What the backup holds; throws `backupIncomplete`, `backupTooNew`, `backupDamaged`.
    func manifest() throws -> BackupManifest {
        guard let bytes = try DataFolder(path: path).read(manifestFile) else {
            throw ServerError(
                404, "backupIncomplete", "\(path) is no finished backup: it has no \(BackupManifest.fileName).",
                remedy: "Make the backup again, or give another folder.", fault: .environment)
        }
        let manifest: BackupManifest
        do {
            manifest = try JSONText.decode(BackupManifest.self, from: bytes)
        } catch {
            throw Self.damaged(manifestFile)
        }
        guard manifest.format <= BackupManifest.newestFormat else {
            throw ServerError(
                409, "backupTooNew", "The backup was made by martlet-registry \(manifest.version).",
                remedy: "Restore it with that version.", fault: .environment)
        }
        guard manifest.keys.keys.allSatisfy({ !$0.contains("/") && !$0.hasPrefix(".") }),
            manifest.state.map({ Self.number(of: $0) != nil }) ?? (manifest.format == 1)
        else { throw Self.damaged(manifestFile) }
        return manifest
    }

    /// Where database and keys of a backup are.
    func state(_ manifest: BackupManifest) -> DataFolder {
        DataFolder(path: manifest.state.map { path + "/" + $0 } ?? path)
    }

    /// The name of a state that is not here yet.
    func nextState() throws -> String {
        let numbers = try BackupFiles.names(in: path).compactMap(Self.number)
        return Self.statePrefix + String((numbers.max() ?? 0) + 1)
    }

    /// Removes every state but the one that the manifest names. Where there is a manifest that cannot be read nothing
    /// is removed: who mends it may need all.
    func clear(_ step: (String) throws -> Void) throws {
        let kept: BackupManifest?
        do {
            kept = try manifest()
        } catch let error as ServerError where error.code == "backupIncomplete" {
            kept = nil
        } catch {
            return
        }
        for name in try BackupFiles.names(in: path) where Self.number(of: name) != nil && name != kept?.state {
            try step("remove \(name)")
            try BackupFiles.removeTree(path + "/" + name)
        }
        // What format 1 has left.
        guard kept?.state != nil, BackupFiles.length(of: path + "/registry.sqlite") != nil else { return }
        try step("remove the state of format 1")
        try BackupFiles.removeTree(path + "/keys")
        try BackupFiles.removeTree(path + "/registry.sqlite")
    }

    /// The number of a state's folder; nil for every other name.
    private static func number(of name: String) -> Int64? {
        guard name.hasPrefix(statePrefix) else { return nil }
        let digits = name.dropFirst(statePrefix.count)
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int64(digits).flatMap { $0 < Int64.max ? $0 : nil }
    }

    static func damaged(_ file: String) -> ServerError {
        ServerError(
            500, "backupDamaged", "\(file) is not what the backup was made with.", remedy: "Use another backup.",
            fault: .environment)
    }
}
