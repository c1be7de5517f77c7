import Glibc
import MartletTypes

/// The registry's folder: who holds it, and files that appear whole or not at all.
///
///     DIR/lock                  held while a registry runs
///     DIR/registry.sqlite       the database
///     DIR/blobs                 content by digest
///     DIR/keys                  online keys and the authority, mode 0700
///     DIR/run/addresses.json    the bound addresses, while it runs
///     DIR/admin.token           the first token, until somebody removes it, mode 0600
struct DataFolder: Sendable {
    let path: String

    var database: String { path + "/registry.sqlite" }
    var blobs: String { path + "/blobs" }
    var keys: String { path + "/keys" }
    /// There while a restore is not finished.
    var restoring: String { path + "/restoring" }
    /// When the last backup was made, as its run has written it.
    var backedUp: String { path + "/run/last-backup" }
    /// Where the first admin token is put when standard output is kept by others.
    var adminToken: String { path + "/admin.token" }
    var addresses: String { path + "/run/addresses.json" }
    /// The names of what a restore makes in it.
    var restoredNames: [String] {
        ["lock", "restoring", "keys", "blobs", "uploads", "run"]
            + ["", "-wal", "-shm"].map { String((database + $0).dropFirst(path.count + 1)) }
    }

    /// The hold on a data folder; ends with the process or with `release`.
    struct Lock: Sendable {
        fileprivate let descriptor: Int32

        /// Closed only, it would last until each program that is being started meanwhile has let go of its copy.
        func release() {
            flock(descriptor, LOCK_UN)
            close(descriptor)
        }
    }

    /// Makes what is missing of the folder.
    func create() throws {
        for (folder, mode) in [(path, mode_t(0o750)), (blobs, 0o750), (keys, 0o700), (path + "/run", 0o750)] {
            if mkdir(folder, mode) != 0, errno != EEXIST { throw Self.failure("create", folder) }
        }
    }

    /// Takes the folder for this process; throws `dataFolderInUse` while another registry holds it.
    func lock() throws -> Lock {
        let file = path + "/lock"
        let descriptor = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw Self.failure("open", file) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw ServerError(
                503, "dataFolderInUse", "Another registry is running on \(path).",
                remedy: "Stop it first, or choose another --data folder.", fault: .environment)
        }
        return Lock(descriptor: descriptor)
    }

    /// The bytes of a file; nil where there is none.
    func read(_ file: String, limit: Int = Limits.apiBodyBytes) throws -> [UInt8]? {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Self.failure("open", file)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count < bytes.count {
            let received = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            if received < 0, errno == EINTR { continue }
            guard received >= 0 else { throw Self.failure("read", file) }
            if received == 0 { break }
            count += received
        }
        guard count <= limit else { throw Self.failure("read (too long)", file) }
        return Array(bytes.prefix(count))
    }

    /// Writes a file so that it is there whole after a crash, or not at all: temporary name, fsync, rename, fsync
    /// folder.
    ///
    /// Root writes into folders of the registry's user too: no link that stands under the temporary name is written
    /// through. Unless `folderMayBeLink`, the folder that the file is in is not found through one either.
    func write(_ bytes: [UInt8], to file: String, mode: mode_t, folderMayBeLink: Bool = true) throws {
        let folder = Self.folder(of: file)
        let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (folderMayBeLink ? 0 : O_NOFOLLOW))
        guard handle >= 0 else { throw Self.failure("open", folder) }
        defer { close(handle) }
        let name = String(file.split(separator: "/").last ?? "")
        let temporary = "\(name).\(getpid()).new"
        unlinkat(handle, temporary, 0)
        let descriptor = openat(handle, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw Self.failure("create", folder + "/" + temporary) }
        do {
            defer { close(descriptor) }
            try Self.fill(descriptor, bytes, mode, file)
        } catch {
            unlinkat(handle, temporary, 0)
            throw error
        }
        guard renameat(handle, temporary, handle, name) == 0 else {
            let error = Self.failure("rename", folder + "/" + temporary)
            unlinkat(handle, temporary, 0)
            throw error
        }
        guard fsync(handle) == 0 else { throw Self.failure("sync", folder) }
    }

    private static func fill(_ descriptor: Int32, _ bytes: [UInt8], _ mode: mode_t, _ file: String) throws {
        // The mode given to open is narrowed by the umask.
        guard fchmod(descriptor, mode) == 0 else { throw failure("protect", file) }
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: offset), $0.count - offset)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw failure("write", file) }
            offset += written
        }
        guard fsync(descriptor) == 0 else { throw failure("sync", file) }
    }

    private static func folder(of file: String) -> String {
        let folder = String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)])
        return folder.isEmpty ? "." : folder
    }

    /// Gives a file the name of another, which is gone then, so that it stays so after a crash.
    func move(_ file: String, to name: String) throws {
        guard rename(file, name) == 0 else { throw Self.failure("rename", file) }
        let folder = Self.folder(of: name)
        let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw Self.failure("open", folder) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw Self.failure("sync", folder) }
    }

    /// The names in a folder.
    func names(in folder: String) throws -> [String] {
        guard let handle = opendir(folder) else { throw Self.failure("list", folder) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Bytes that may still be written to the folder's file system.
    func room() throws -> ByteCount {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw Self.failure("look at", path) }
        return ByteCount(Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)))
    }

    /// When the last backup was made; nil where that is not known: there was none, or it was made before a restore.
    func lastBackup() throws -> Timestamp? {
        guard let bytes = try read(backedUp, limit: 64) else { return nil }
        return Int64(String(decoding: bytes, as: UTF8.self).filter(\.isNumber)).map(Timestamp.init(milliseconds:))
    }

    /// Removes a file that may not be there.
    func remove(_ file: String) { unlink(file) }

    private static func failure(_ verb: String, _ file: String) -> ServerError {
        let number = errno
        if number == ENOSPC || number == EDQUOT { return .diskFull }
        return ServerError(
            500, "dataFolderFailed", "Cannot \(verb) \(file): \(String(cString: strerror(number))).",
            remedy: "Check that the folder exists and belongs to the registry's user.", fault: .environment)
    }
}
