import Glibc
import MartletTypes

/// Files of the command line, named by whoever runs it.
enum LocalFile {
    /// A file that could not be read or written.
    struct Failure: MartletError {
        let message: String
        var code: String { "fileFailed" }
        var remedy: String { "Check the path and its permissions." }
        var fault: ErrorFault { .environment }

        init(_ verb: String, _ path: String) {
            message = "\(path) cannot be \(verb): \(String(cString: strerror(errno)))."
        }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The bytes of a file of at most `limit` bytes.
    static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        guard let file = fopen(path, "rbe") else { throw Failure("opened", path) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0 else { throw Failure("read", path) }
        guard count <= limit else {
            errno = EFBIG
            throw Failure("read", path)
        }
        return Array(bytes.prefix(count))
    }

    /// Replaces a file, whole or not at all.
    static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let temporary = path + ".tmp"
        guard let file = fopen(temporary, "wbe") else { throw Failure("written", temporary) }
        let isWritten =
            fwrite(bytes, 1, bytes.count, file) == bytes.count && fflush(file) == 0
            && fsync(fileno(file)) == 0
        fclose(file)
        guard isWritten, rename(temporary, path) == 0 else { throw Failure("written", path) }
    }
}
