private import Glibc
internal import MartletTypes

/// An open file that is closed with its last owner. Interrupted calls are repeated, short writes continued.
struct FileDescriptor: ~Copyable {
    private let descriptor: Int32

    init(opening path: String, _ flags: Int32, mode: UInt32 = 0o644) throws {
        descriptor = try Self.check("open", path) { open(path, flags | O_CLOEXEC, mode) }
    }

    deinit { close(descriptor) }

    /// The file's length.
    func size() throws -> Int64 {
        var status = stat()
        _ = try Self.check("fstat", "a file") { fstat(descriptor, &status) }
        return Int64(status.st_size)
    }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset) + done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("write", "a file", count == 0 ? ENOSPC : errno) }
            done += count
        }
    }

    /// Reads up to the buffer's length at `offset`; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.failure("read", "a file", errno) }
            return count
        }
    }

    /// Cuts the file to `length`.
    func truncate(to length: Int64) throws {
        _ = try Self.check("truncate", "a file") { ftruncate(descriptor, off_t(length)) }
    }

    /// Makes what was written (or a folder's entries) durable.
    func synchronize() throws {
        _ = try Self.check("fsync", "a file") { fsync(descriptor) }
    }

    /// Makes what was written durable, and the file its owner's alone.
    func protectAndSynchronize() throws {
        _ = try Self.check("fchmod", "a file") { fchmod(descriptor, 0o600) }
        try synchronize()
    }

    /// Bytes that may still be written to the file system of a folder.
    static func room(in folder: String) throws -> Int64 {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { throw failure("statvfs", folder, errno) }
        return Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// Makes the entries of a folder durable.
    static func synchronizeFolder(_ path: String) throws {
        try FileDescriptor(opening: path, O_RDONLY | O_DIRECTORY).synchronize()
    }

    /// Makes a folder and its parents; fine where they are there.
    static func makeFolder(_ path: String) throws {
        if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw failure("mkdir", path, errno)
        }
        try makeFolder(String(path[..<slash]))
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw failure("mkdir", path, errno) }
    }

    /// Renames over what may be there.
    static func rename(_ from: String, to path: String) throws {
        _ = try check("rename", path) { Glibc.rename(from, path) }
    }

    /// Removes a file; returns whether it was there.
    static func remove(_ path: String) throws -> Bool {
        if unlink(path) == 0 { return true }
        guard errno == ENOENT else { throw failure("unlink", path, errno) }
        return false
    }

    /// Length and time of the last change of a regular file; nil where there is none.
    static func status(_ path: String) throws -> (size: Int64, modified: Timestamp)? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw failure("stat", path, errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return nil }
        let milliseconds = Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
        return (Int64(status.st_size), Timestamp(milliseconds: milliseconds))
    }

    /// The names in a folder.
    static func names(in folder: String) throws -> [String] {
        guard let stream = opendir(folder) else { throw failure("opendir", folder, errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func check(_ call: String, _ path: String, _ body: () -> Int32) throws -> Int32 {
        while true {
            let result = body()
            if result >= 0 { return result }
            guard errno == EINTR else { throw failure(call, path, errno) }
        }
    }

    private static func failure(_ call: String, _ path: String, _ number: Int32) -> StoreError {
        let reason = String(cString: strerror(number))
        if number == ENOSPC || number == EDQUOT {
            return StoreError(.diskFull, "\(call) failed on \(path): \(reason).")
        }
        return StoreError(.ioFailed, "\(call) failed on \(path): \(reason).")
    }
}
