internal import Glibc
package import MartletTypes

/// The machine's own file system.
package struct RealFileSystem: FileSystem {
    package init() {}

    package func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile {
        let (flags, bits): (Int32, UInt32) =
            switch mode {
            case .read: (O_RDONLY, 0)
            case .create(let bits): (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, bits)
            case .append(let bits): (O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, bits)
            }
        let descriptor = Self.retrying { Glibc.open(path, flags | O_CLOEXEC, mode_t(bits)) }
        guard descriptor >= 0 else { throw AgentStoreError(errno: errno, "open", path) }
        return DescriptorFile(descriptor, path: path)
    }

    package func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError) {
        if mkdir(path, mode_t(mode)) != 0, errno != EEXIST {
            throw AgentStoreError(errno: errno, "make the folder", path)
        }
    }

    package func rename(_ source: String, to target: String) throws(AgentStoreError) {
        if Glibc.rename(source, target) != 0 { throw AgentStoreError(errno: errno, "put into place", target) }
    }

    package func remove(_ path: String) throws(AgentStoreError) {
        if Glibc.remove(path) != 0, errno != ENOENT { throw AgentStoreError(errno: errno, "remove", path) }
    }

    package func link(_ path: String, to destination: String) throws(AgentStoreError) {
        if symlink(destination, path) != 0 { throw AgentStoreError(errno: errno, "make the link", path) }
    }

    package func destination(of path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { raw in
            raw.baseAddress.map { readlink(path, $0, raw.count) } ?? -1
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    package func names(in path: String) throws(AgentStoreError) -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw AgentStoreError(errno: errno, "list", path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        // readdir tells its end from a fault by errno alone.
        guard errno == 0 else { throw AgentStoreError(errno: errno, "list", path) }
        return names.sorted()
    }

    package func status(_ path: String) -> FileStatus? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        let kind: FileStatus.Kind =
            switch status.st_mode & S_IFMT {
            case Glibc.S_IFREG: .file
            case Glibc.S_IFDIR: .folder
            case Glibc.S_IFLNK: .link
            default: .other
            }
        return FileStatus(kind: kind, size: ByteCount(Int64(status.st_size)), mode: UInt32(status.st_mode & 0o7777))
    }

    package func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError) {
        if chmod(path, mode_t(mode)) != 0 { throw AgentStoreError(errno: errno, "set the permissions of", path) }
    }

    package func synchronizeFolder(_ path: String) throws(AgentStoreError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw AgentStoreError(errno: errno, "open", path) }
        defer { Glibc.close(descriptor) }
        // Some file systems cannot synchronise a folder and say so; there is nothing better to do there.
        if fsync(descriptor) != 0, errno != EINVAL { throw AgentStoreError(errno: errno, "synchronise", path) }
    }

    package func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw AgentStoreError(errno: errno, "measure the disk of", path) }
        return ByteCount(Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)))
    }

    static func retrying(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result != -1 || errno != EINTR { return result }
        }
    }
}

/// A file behind a descriptor of the kernel.
///
/// Guard of the unchecked conformance: one owner at a time, which the store's actors and `PartialBlob`'s lock ensure.
private final class DescriptorFile: StoredFile, @unchecked Sendable {
    private var descriptor: Int32
    private let path: String

    init(_ descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close() }

    func write(_ bytes: UnsafeRawBufferPointer) throws(AgentStoreError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw AgentStoreError(errno: errno, "write", path)
            }
            rest = rest.dropFirst(count)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(AgentStoreError) -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR { throw AgentStoreError(errno: errno, "read", path) }
        }
    }

    func seek(to offset: ByteCount) throws(AgentStoreError) {
        if lseek(descriptor, off_t(offset.bytes), SEEK_SET) < 0 { throw AgentStoreError(errno: errno, "read", path) }
    }

    func identity() throws(AgentStoreError) -> FileIdentity {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw AgentStoreError(errno: errno, "look at", path) }
        return FileIdentity(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), seconds: Int(status.st_mtim.tv_sec),
            nanoseconds: Int(status.st_mtim.tv_nsec))
    }

    func synchronize() throws(AgentStoreError) {
        if fsync(descriptor) != 0 { throw AgentStoreError(errno: errno, "synchronise", path) }
    }

    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }
}
