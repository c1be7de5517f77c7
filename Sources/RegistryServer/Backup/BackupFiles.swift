import Glibc
import MartletTypes

/// Copies of files that are there whole after a crash, or not at all, hashed on the way.
struct BackupFiles {
    /// Bytes read at once.
    private static let chunkBytes = 1024 * 1024

    /// A file's bytes: how many, and their digest.
    struct Sum: Sendable, Hashable, Codable {
        let length: Int64
        let digest: Digest
    }

    /// Copies one file to another name, with these permissions, and returns what was copied.
    static func copy(
        _ source: String, to target: String, mode: mode_t, _ algorithm: Digest.Algorithm = .sha256
    ) throws -> Sum {
        var copied: Sum?
        _ = try copy(source, to: target, mode: mode, algorithm) { sum in
            copied = sum
            return true
        }
        guard let copied else { throw failure("copy", source) }
        return copied
    }

    /// Copies one file to another name only if what was copied is right; returns whether it was. What had that name
    /// stays otherwise.
    static func copy(
        _ source: String, to target: String, mode: mode_t, _ algorithm: Digest.Algorithm, if isRight: (Sum) -> Bool
    ) throws -> Bool {
        let temporary = target + ".new"
        do {
            guard isRight(try write(source, to: temporary, mode, algorithm)) else {
                unlink(temporary)
                return false
            }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, target) == 0 else { throw failure("rename", target) }
        return true
    }

    private static func write(
        _ source: String, to target: String, _ mode: mode_t, _ algorithm: Digest.Algorithm
    ) throws -> Sum {
        // What a run that was cut off has left, or somebody else: it is never written through.
        unlink(target)
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard output >= 0 else { throw failure("create", target) }
        defer { close(output) }
        guard fchmod(output, mode) == 0 else { throw failure("protect", target) }
        let sum = try read(source, algorithm) { chunk in
            var rest = chunk[...]
            while !rest.isEmpty {
                let count = Glibc.write(output, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw failure("write", target) }
                rest = rest.dropFirst(count)
            }
        }
        guard fsync(output) == 0 else { throw failure("sync", target) }
        return sum
    }

    /// Reads a file whole, chunk by chunk.
    static func read(
        _ path: String, _ algorithm: Digest.Algorithm = .sha256,
        _ use: (UnsafeRawBufferPointer) throws -> Void = { _ in }
    ) throws -> Sum {
        let input = open(path, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw failure("open", path) }
        defer { close(input) }
        let hasher = DigestHasher(algorithm)
        var chunk = [UInt8](repeating: 0, count: chunkBytes)
        var length: Int64 = 0
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(input, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", path) }
            guard count > 0 else { return Sum(length: length, digest: hasher.finish()) }
            try chunk.withUnsafeBytes {
                let bytes = UnsafeRawBufferPointer(rebasing: $0[..<count])
                hasher.update(bytes)
                try use(bytes)
            }
            length += Int64(count)
        }
    }

    /// Makes a folder with these permissions; one that is there keeps its own.
    static func makeFolder(_ path: String, mode: mode_t) throws {
        guard mkdir(path, mode) == 0 else {
            if errno == EEXIST { return }
            throw failure("create", path)
        }
        // The mode given to mkdir is narrowed by the umask.
        guard chmod(path, mode) == 0 else { throw failure("protect", path) }
    }

    /// Whether two paths lead to the same file or folder.
    static func isSame(_ path: String, _ other: String) throws -> Bool {
        var (one, two) = (stat(), stat())
        guard stat(path, &one) == 0 else { throw failure("look at", path) }
        guard stat(other, &two) == 0 else { throw failure("look at", other) }
        return one.st_dev == two.st_dev && one.st_ino == two.st_ino
    }

    /// Removes a file, or a folder with all that is in it; links are not followed.
    static func removeTree(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw failure("look at", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
            return
        }
        for name in try names(in: path) { try removeTree(path + "/" + name) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    /// The folder that a path is in.
    static func folder(of path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }

    /// Makes the entries of a folder durable.
    static func synchronizeFolder(_ path: String) throws {
        let handle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw failure("open", path) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw failure("sync", path) }
    }

    /// The names of the files in a folder, by name; none where the folder is absent.
    static func names(in path: String) throws -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw failure("list", path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw failure("list", path) }
        return names.sorted()
    }

    /// The length of a file; nil where it is absent.
    static func length(of path: String) -> Int64? {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
    }

    static func failure(_ verb: String, _ file: String) -> ServerError {
        let number = errno
        if number == ENOSPC || number == EDQUOT { return .diskFull }
        return ServerError(
            500, "backupFailed", "Cannot \(verb) \(file): \(String(cString: strerror(number))).",
            remedy: "Check that the folders exist and belong to the registry's user.", fault: .environment)
    }
}
