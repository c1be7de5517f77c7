import BundleFormat
import Glibc
import MartletTypes

/// Folders in memory in which what a fuzzer made is unpacked. What stands beside the one that is unpacked into must
/// never change.
package struct Cage {
    /// What an archive may make of bytes in all.
    private static let limit = ByteCount(64 * 1024)

    private let root: String
    /// The folder that is unpacked into.
    package let folder: String
    private static let watched = "beside"

    /// Makes the folders. A machine without memory for them has nothing to fuzz with. The working folder stays: a
    /// fuzzer opens its seeds after its first, empty, input.
    package init() {
        root = "/dev/shm/martlet-fuzz-\(getpid())"
        folder = root + "/in"
        Self.remove(root)
        precondition(mkdir(root, 0o700) == 0 && mkdir(folder, 0o700) == 0)
        precondition(mkdir(root + "/" + Self.watched, 0o700) == 0)
    }

    /// Empties the folder.
    package func clean() {
        Self.remove(folder)
        precondition(mkdir(folder, 0o700) == 0)
    }

    /// Unpacks into the folder; false where the archive is refused.
    package func unpack(_ archive: [UInt8]) -> Bool {
        let file = root + "/archive"
        Self.write(archive, to: file)
        do throws(BundleError) {
            try EngineTree.unpack(file, into: folder, limit: Self.limit)
            return true
        } catch {
            return false
        }
    }

    /// Packs what is in the folder and unpacks that anew: it must be the same.
    package func roundTrip() {
        guard let before = try? EngineTree.digest(of: folder) else { preconditionFailure("it cannot be hashed") }
        let archive = root + "/archive"
        do throws(BundleError) {
            _ = try EngineTree.pack(folder, to: archive)
        } catch {
            // An engine of no byte is none.
            precondition(error.reason == .missing)
            return
        }
        clean()
        do throws(BundleError) {
            try EngineTree.unpack(archive, into: folder, limit: Self.limit)
        } catch {
            preconditionFailure("what was packed is refused")
        }
        precondition((try? EngineTree.digest(of: folder)) == before)
    }

    /// Looks at all that is there, whether the archive was refused or not. Returns the links' names.
    package func inspect() -> [String] {
        precondition(Set(Self.names(root)).subtracting(["in", Self.watched, "archive"]).isEmpty)
        precondition(Self.names(root + "/" + Self.watched).isEmpty)
        var bytes: Int64 = 0
        var links: [String] = []
        inspect(folder, &bytes, &links)
        precondition(bytes <= Self.limit.bytes)
        return links
    }

    private func inspect(_ place: String, _ bytes: inout Int64, _ links: inout [String]) {
        for name in Self.names(place) {
            let path = place + "/" + name
            var status = stat()
            precondition(lstat(path, &status) == 0)
            switch status.st_mode & S_IFMT {
            case S_IFDIR: inspect(path, &bytes, &links)
            case S_IFREG:
                precondition([0o644, 0o755].contains(status.st_mode & 0o7777) && status.st_nlink == 1)
                bytes += Int64(status.st_size)
            case S_IFLNK:
                links.append(name)
                guard let end = realpath(path, nil) else { continue }
                precondition(String(cString: end).hasPrefix(folder + "/"))
                free(end)
            default: preconditionFailure("\(path) is of another kind")
            }
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        precondition(file >= 0)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                Glibc.write(file, raw.baseAddress?.advanced(by: done), bytes.count - done)
            }
            precondition(count > 0)
            done += count
        }
        close(file)
    }

    private static func names(_ folder: String) -> [String] {
        guard let handle = opendir(folder) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in names(path) { remove(path + "/" + name) }
        rmdir(path)
    }
}
