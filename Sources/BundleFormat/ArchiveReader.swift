internal import CArchive
internal import Glibc
package import MartletTypes

/// One file of an archive, before its bytes are read.
package struct ArchiveEntry: Sendable, Hashable {
    /// Its name, which is one that belongs there.
    package let path: ArchivePath
    /// Its length as the archive says; never above what its kind may have.
    package let size: ByteCount
}

/// Reads a release's archive (tar, plain or zstd) from front to back and believes nothing that it says.
///
/// Refuses absolute paths, `..`, links, devices, sparse files, names that do not belong there, names that come twice,
/// and more bytes than were allowed. Nothing is unpacked by name: callers store blobs by digest and check them.
/// May be moved between threads, not shared by them, which `~Copyable` guards; blocks while reading.
package struct ArchiveReader: ~Copyable, @unchecked Sendable {
    private let archive: OpaquePointer
    private let descriptor: Int32
    private var seen: Set<ArchivePath> = []
    private var entries = 0
    private var left: Int64
    private var current: ArchiveEntry?
    private static let document = "archive"

    /// Opens an archive that may hold at most `totalLimit` bytes when unpacked: a bound on decompression bombs.
    package init(path: String, totalLimit: ByteCount) throws(BundleError) {
        // In two steps, because Swift 6.2 cannot take a half-made value apart when opening fails.
        self.init(opened: try Self.open(path), totalLimit: totalLimit)
    }

    private init(opened: (archive: OpaquePointer, descriptor: Int32), totalLimit: ByteCount) {
        archive = opened.archive
        descriptor = opened.descriptor
        left = totalLimit.bytes
    }

    /// Reads an archive from an open file, pipe or socket, which belongs to the reader from now on.
    package init(descriptor: Int32, totalLimit: ByteCount) throws(BundleError) {
        self.init(opened: (try Self.open(descriptor), descriptor), totalLimit: totalLimit)
    }

    private static func open(_ path: String) throws(BundleError) -> (archive: OpaquePointer, descriptor: Int32) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw BundleError(.storageFailed, document, path, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        return (try open(descriptor), descriptor)
    }

    /// Closes the descriptor where it throws.
    private static func open(_ descriptor: Int32) throws(BundleError) -> OpaquePointer {
        guard let archive = archive_read_new() else {
            close(descriptor)
            throw BundleError(.archiveFailed, document, "", "libarchive did not start")
        }
        // Anything but OK for zstd means that libarchive would run a program from PATH.
        guard archive_read_support_format_tar(archive) == ARCHIVE_OK,
            archive_read_support_filter_zstd(archive) == ARCHIVE_OK,
            archive_read_open_fd(archive, descriptor, blockBytes) == ARCHIVE_OK
        else {
            let error = failure(archive)
            archive_read_free(archive)
            close(descriptor)
            throw error
        }
        return archive
    }

    deinit {
        archive_read_free(archive)
        close(descriptor)
    }

    /// The next file; nil at the end. What was not read of the one before is passed over.
    package mutating func next() throws(BundleError) -> ArchiveEntry? {
        current = nil
        while true {
            var header: OpaquePointer?
            let code = archive_read_next_header(archive, &header)
            if code == ARCHIVE_EOF { return nil }
            guard code == ARCHIVE_OK, let header else { throw Self.failure(archive) }
            entries += 1
            guard entries <= BundleLimits.archiveEntries else {
                throw BundleError(
                    .tooLarge, Self.document, "", "it has more than \(BundleLimits.archiveEntries) entries")
            }
            guard let entry = try check(header) else { continue }
            current = entry
            return entry
        }
    }

    /// Streams the bytes of the file that `next` returned, of exactly `promised` bytes where a manifest promises it.
    ///
    /// Throws `BundleError`, or what `sink` threw.
    package mutating func read(
        promised: ByteCount? = nil, to sink: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard let entry = current else {
            throw BundleError(.archiveFailed, Self.document, "", "there is no file to be read at this point")
        }
        current = nil
        if let promised, promised != entry.size {
            throw BundleError(
                .sizeMismatch, Self.document, entry.path.description,
                "has \(entry.size.bytes) bytes where \(promised.bytes) were promised")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.blockBytes, alignment: 64)
        defer { buffer.deallocate() }
        var read: Int64 = 0
        while true {
            let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
            guard count >= 0 else { throw Self.failure(archive) }
            if count == 0 { break }
            read += Int64(count)
            guard read <= entry.size.bytes else {
                throw BundleError(
                    .sizeMismatch, Self.document, entry.path.description, "has more bytes than its header says")
            }
            try sink(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        guard read == entry.size.bytes else {
            throw BundleError(
                .sizeMismatch, Self.document, entry.path.description, "has fewer bytes than its header says")
        }
    }

    /// The bytes of the file that `next` returned, at most `limit` of them.
    package mutating func bytes(limit: Int) throws -> [UInt8] {
        if let entry = current, entry.size.bytes > limit {
            throw BundleError(.tooLarge, Self.document, entry.path.description, "has more than \(limit) bytes")
        }
        var bytes: [UInt8] = []
        try read { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Checks one header; nil for a folder that belongs there.
    private mutating func check(_ header: OpaquePointer) throws(BundleError) -> ArchiveEntry? {
        guard let name = archive_entry_pathname(header).map({ String(cString: $0) }) else {
            throw BundleError(.forbiddenEntry, Self.document, "", "an entry has a name that is not ASCII")
        }
        func refusal(_ detail: String) -> BundleError { BundleError(.forbiddenEntry, Self.document, name, detail) }
        let type = archive_entry_filetype(header)
        guard archive_entry_hardlink(header) == nil, archive_entry_symlink(header) == nil else {
            throw refusal("is a link")
        }
        if type == Self.folderType {
            guard ArchivePath.folders.contains(name.hasSuffix("/") ? String(name.dropLast()) : name) else {
                throw refusal("is a folder that does not belong there")
            }
            return nil
        }
        guard type == Self.fileType else { throw refusal("is neither a file nor a folder") }
        guard archive_entry_sparse_count(header) == 0 else { throw refusal("is a sparse file") }
        guard let path = ArchivePath(name) else { throw refusal("does not belong into an archive of releases") }
        guard seen.insert(path).inserted else {
            throw BundleError(.duplicate, Self.document, name, "stands there twice")
        }
        let size = archive_entry_size(header)
        guard archive_entry_size_is_set(header) != 0, size >= 0, size <= path.limit, size <= left else {
            throw BundleError(.tooLarge, Self.document, name, "has \(size) bytes, which is more than allowed")
        }
        left -= size
        return ArchiveEntry(path: path, size: ByteCount(size))
    }

    private static func failure(_ archive: OpaquePointer) -> BundleError {
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "it is damaged"
        return BundleError(.archiveFailed, document, "", "it cannot be read: " + text)
    }

    private static let blockBytes = 256 * 1024
    /// `AE_IFREG` and `AE_IFDIR`, macros with casts that Swift does not import.
    private static let fileType: mode_t = 0o100000
    private static let folderType: mode_t = 0o040000
}
