internal import CArchive
internal import Glibc
package import MartletTypes

/// Writes a release's archive: equal content gives equal bytes (no times, no owners). Small documents come first, then
/// blobs, so that a reader knows what is promised before the bytes come.
///
/// The file appears under its name with `finish` and not before. May be moved between threads, not shared by them,
/// which
/// `~Copyable` guards; blocks while writing.
package struct ArchiveWriter: ~Copyable, @unchecked Sendable {
    /// How the tar is wrapped.
    package enum Compression: Sendable {
        case none
        case zstd
    }

    private let archive: OpaquePointer
    private let descriptor: Int32
    private let path: String
    private var seen: Set<ArchivePath> = []
    private var isFinished = false
    /// What the file that is being streamed still lacks.
    private var owed: Int64 = 0
    private static let document = "archive"

    /// Starts an archive beside `path`.
    package init(path: String, compression: Compression = .none) throws(BundleError) {
        // In two steps, because Swift 6.2 cannot take a half-made value apart when opening fails.
        self.init(opened: try Self.open(path, compression), path: path)
    }

    private init(opened: (archive: OpaquePointer, descriptor: Int32), path: String) {
        archive = opened.archive
        descriptor = opened.descriptor
        self.path = path
    }

    private static func open(
        _ path: String, _ compression: Compression
    ) throws(BundleError) -> (archive: OpaquePointer, descriptor: Int32) {
        let descriptor = Glibc.open(path + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else {
            throw BundleError(.storageFailed, document, path, "cannot be made: \(String(cString: strerror(errno)))")
        }
        guard let archive = archive_write_new() else {
            close(descriptor)
            unlink(path + ".part")
            throw BundleError(.archiveFailed, document, "", "libarchive did not start")
        }
        // WARN for zstd means an external program, and without the block option a plain tar is padded to 10 KiB.
        guard archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK,
            compression == .none || archive_write_add_filter_zstd(archive) == ARCHIVE_OK,
            archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK,
            archive_write_open_fd(archive, descriptor) == ARCHIVE_OK
        else {
            let error = failure(archive, path)
            archive_write_free(archive)
            close(descriptor)
            unlink(path + ".part")
            throw error
        }
        return (archive, descriptor)
    }

    deinit {
        archive_write_free(archive)
        close(descriptor)
        if !isFinished { unlink(path + ".part") }
    }

    /// Adds a document.
    package mutating func add(_ name: ArchivePath, _ bytes: [UInt8]) throws(BundleError) {
        try begin(name, size: Int64(bytes.count))
        guard bytes.withUnsafeBytes({ write($0) }) else { throw Self.failure(archive, path) }
    }

    /// Adds a blob from a file, which must have exactly `size` bytes.
    package mutating func add(_ name: ArchivePath, file: String, size: ByteCount) throws(BundleError) {
        let source = Glibc.open(file, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else {
            throw BundleError(
                .storageFailed, Self.document, file, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(source) }
        try begin(name, size: size.bytes)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.blockBytes, alignment: 64)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while true {
            let count = Glibc.read(source, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw BundleError(
                    .storageFailed, Self.document, file, "cannot be read: \(String(cString: strerror(errno)))")
            }
            done += Int64(count)
            guard done <= size.bytes, count > 0 || done == size.bytes else {
                throw BundleError(
                    .sizeMismatch, Self.document, file, "has not the \(size.bytes) bytes that were promised")
            }
            if count == 0 { return }
            guard write(UnsafeRawBufferPointer(rebasing: buffer[..<count])) else { throw Self.failure(archive, path) }
        }
    }

    /// Begins a file of exactly `size` bytes, which `append` brings.
    package mutating func start(_ name: ArchivePath, size: ByteCount) throws(BundleError) {
        try begin(name, size: size.bytes)
        owed = size.bytes
    }

    /// The next bytes of the file that `start` began.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(BundleError) {
        guard Int64(bytes.count) <= owed else {
            throw BundleError(.sizeMismatch, Self.document, path, "would get more bytes in a file than were promised")
        }
        guard write(bytes) else { throw Self.failure(archive, path) }
        owed -= Int64(bytes.count)
    }

    /// Ends the archive, makes it durable, and gives it its name.
    package consuming func finish() throws(BundleError) {
        guard owed == 0 else {
            throw BundleError(.sizeMismatch, Self.document, path, "ends in the middle of a file")
        }
        guard archive_write_close(archive) == ARCHIVE_OK else { throw Self.failure(archive, path) }
        guard fsync(descriptor) == 0, rename(path + ".part", path) == 0 else {
            throw BundleError(
                .storageFailed, Self.document, path, "cannot be written: \(String(cString: strerror(errno)))")
        }
        isFinished = true
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let directory = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else {
            throw BundleError(
                .storageFailed, Self.document, folder, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(directory) }
        guard fsync(directory) == 0 else {
            throw BundleError(
                .storageFailed, Self.document, folder, "cannot be synced: \(String(cString: strerror(errno)))")
        }
    }

    private mutating func begin(_ name: ArchivePath, size: Int64) throws(BundleError) {
        guard owed == 0 else {
            throw BundleError(.sizeMismatch, Self.document, name.description, "begins before the file before it ended")
        }
        guard seen.insert(name).inserted else {
            throw BundleError(.duplicate, Self.document, name.description, "is added twice")
        }
        guard (0...name.limit).contains(size) else {
            throw BundleError(.tooLarge, Self.document, name.description, "has not between 0 and \(name.limit) bytes")
        }
        guard let entry = archive_entry_new() else {
            throw BundleError(.archiveFailed, Self.document, "", "libarchive gave no entry")
        }
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, name.description)
        archive_entry_set_size(entry, size)
        archive_entry_set_filetype(entry, 0o100000)
        archive_entry_set_perm(entry, 0o644)
        archive_entry_set_mtime(entry, 0, 0)
        guard archive_write_header(archive, entry) == ARCHIVE_OK else { throw Self.failure(archive, path) }
    }

    /// False where libarchive could not write.
    private func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = archive_write_data(archive, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func failure(_ archive: OpaquePointer, _ path: String) -> BundleError {
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "unknown cause"
        return BundleError(.storageFailed, document, path, "cannot be written: " + text)
    }

    private static let blockBytes = 256 * 1024
}
