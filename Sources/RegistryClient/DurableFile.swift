internal import Glibc

/// Small files that are there whole or not at all, also after a power cut.
package enum DurableFile {
    /// The system's error, for a message.
    package struct Failure: Error {
        /// What could not be done with which file, and why.
        package let detail: String

        init(_ verb: String, _ path: String) {
            detail = "\(path) could not be \(verb): \(String(cString: strerror(errno)))"
        }
    }

    /// The bytes of a file of at most `limit` bytes; nil where there is none.
    package static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Failure("opened", path)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure("read", path) }
            if count == 0 { return bytes }
            bytes += buffer.prefix(count)
            guard bytes.count <= limit else {
                errno = EFBIG
                throw Failure("read", path)
            }
        }
    }

    /// Writes a file whole or not at all: temporary file, fsync, rename, fsync of the folder.
    ///
    /// With `replaces: false` a file that exists is left alone, and the call fails. The file belongs to its owner alone
    /// unless `mode` says otherwise. Processes that write into one folder (two operators' commands) take turns, by a
    /// lock on the folder, which must exist.
    package static func write(
        _ bytes: [UInt8], to path: String, in folder: String, mode: UInt32 = 0o600, replaces: Bool = true
    ) throws(Failure) {
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw Failure("opened", folder) }
        defer { close(directory) }
        while flock(directory, LOCK_EX) != 0 {
            guard errno == EINTR else { throw Failure("locked", folder) }
        }
        let temporary = path + ".tmp"
        // What an interrupted run left may have another mode, or be a link.
        guard unlink(temporary) == 0 || errno == ENOENT else { throw Failure("removed", temporary) }
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw Failure("created", temporary) }
        let isWritten = writeAll(bytes, descriptor) && fsync(descriptor) == 0
        let failure = Failure("written", temporary)
        close(descriptor)
        guard isWritten else {
            unlink(temporary)
            throw failure
        }
        try place(temporary, as: path, replaces: replaces)
        guard fsync(directory) == 0 else { throw Failure("synced", folder) }
    }

    private static func place(_ temporary: String, as path: String, replaces: Bool) throws(Failure) {
        if replaces {
            guard rename(temporary, path) == 0 else { throw Failure("replaced", path) }
            return
        }
        // `link` fails where the name is taken, whoever took it.
        let isPlaced = link(temporary, path) == 0
        let failure = Failure("made", path)
        unlink(temporary)
        guard isPlaced else { throw failure }
    }

    /// Removes a file for good; not an error where there is none.
    package static func remove(_ path: String, in folder: String) throws(Failure) {
        guard unlink(path) == 0 else {
            if errno == ENOENT { return }
            throw Failure("removed", path)
        }
        try sync(folder: folder)
    }

    /// Makes a folder and those above it, for this user alone.
    package static func makeFolder(_ path: String) throws(Failure) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST else { throw Failure("made", made) }
        }
    }

    private static func sync(folder: String) throws(Failure) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure("opened", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Failure("synced", folder) }
    }

    private static func writeAll(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
