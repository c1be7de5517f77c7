internal import CArchive
internal import Glibc
package import MartletTypes

extension EngineTree {
    /// What an archive was made of.
    package struct Packed: Sendable, Hashable {
        /// Bytes of all files.
        package let unpacked: ByteCount
        /// The processor of the programs in it, in OCI's words; nil where there is no program for one.
        package let architecture: String?
    }

    /// Packs a folder into an archive: equal folders give equal bytes (names in order, no times, no owners).
    ///
    /// Takes files, folders and links that stay in the folder; anything else is refused and named. Blocks.
    package static func pack(_ folder: String, to path: String) throws(BundleError) -> Packed {
        var writer = try TreeWriter(path)
        defer { writer.finish() }
        try writer.add(folder, [])
        try writer.close()
        guard writer.unpacked > 0 else {
            throw BundleError(.missing, document, folder, "holds no file")
        }
        return Packed(unpacked: ByteCount(writer.unpacked), architecture: writer.architecture)
    }

    /// The processor that an ELF program is for, in OCI's words; nil where the bytes are none or for another.
    package static func architecture(elf head: some Collection<UInt8>) -> String? {
        let bytes = Array(head.prefix(20))
        // Little-endian, 64 bits: what Martlet and its engines run on.
        guard bytes.count == 20, bytes[..<6] == [0x7f, 0x45, 0x4c, 0x46, 2, 1] else { return nil }
        return switch UInt16(bytes[18]) | UInt16(bytes[19]) << 8 {
        case 62: "amd64"
        case 183: "arm64"
        default: nil
        }
    }
}

private struct TreeWriter {
    private let archive: OpaquePointer
    private let descriptor: Int32
    private let path: String
    private(set) var unpacked: Int64 = 0
    private(set) var architecture: String?
    private var entries = 0

    init(_ path: String) throws(BundleError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw EngineTree.storage(path, "cannot be made") }
        guard let archive = archive_write_new() else {
            Glibc.close(descriptor)
            throw BundleError(.archiveFailed, EngineTree.document, "", "libarchive did not start")
        }
        self.archive = archive
        guard archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK,
            archive_write_add_filter_zstd(archive) == ARCHIVE_OK,
            archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK,
            archive_write_open_fd(archive, descriptor) == ARCHIVE_OK
        else {
            let error = Self.failure(archive, path)
            archive_write_free(archive)
            Glibc.close(descriptor)
            throw error
        }
    }

    mutating func finish() {
        archive_write_free(archive)
        Glibc.close(descriptor)
    }

    func close() throws(BundleError) {
        guard archive_write_close(archive) == ARCHIVE_OK else { throw Self.failure(archive, path) }
    }

    /// Adds what is in a folder, in the order of names.
    mutating func add(_ folder: String, _ place: [String]) throws(BundleError) {
        for name in try EngineTree.names(folder) {
            let source = folder + "/" + name
            let here = place + [name]
            let shown = here.joined(separator: "/")
            guard TreePath.components(shown) != nil else {
                throw BundleError(.unsafeName, EngineTree.document, shown, "is no name for a file of an engine")
            }
            entries += 1
            guard entries <= BundleLimits.treeEntries else {
                throw BundleError(
                    .tooLarge, EngineTree.document, folder, "has more than \(BundleLimits.treeEntries) entries")
            }
            var status = stat()
            guard lstat(source, &status) == 0 else { throw EngineTree.storage(source, "cannot be read") }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                try header(shown, EngineTree.folderType, mode: 0o755, size: 0)
                try add(source, here)
            case S_IFLNK: try addLink(source, here)
            case S_IFREG: try addFile(source, shown, status)
            default:
                throw BundleError(
                    .forbiddenEntry, EngineTree.document, shown, "is neither a file, a folder nor a link")
            }
        }
    }

    private mutating func addLink(_ source: String, _ place: [String]) throws(BundleError) {
        let target = try EngineTree.target(of: source)
        let shown = place.joined(separator: "/")
        guard TreePath.admits(link: target, at: place) else {
            throw BundleError(
                .forbiddenEntry, EngineTree.document, shown,
                "is a link to \(target), which could lead out of the folder")
        }
        try header(shown, EngineTree.linkType, mode: 0o777, size: 0, link: target)
    }

    private mutating func addFile(_ source: String, _ shown: String, _ status: stat) throws(BundleError) {
        guard status.st_mode & 0o7000 == 0 else {
            throw BundleError(.forbiddenEntry, EngineTree.document, shown, "has a set-id or sticky bit")
        }
        let size = Int64(status.st_size)
        unpacked += size
        guard unpacked <= BundleLimits.programBytes else {
            throw BundleError(
                .tooLarge, EngineTree.document, shown, "makes more than \(BundleLimits.programBytes) bytes of all")
        }
        let file = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw EngineTree.storage(source, "cannot be opened") }
        defer { Glibc.close(file) }
        try header(
            shown, EngineTree.fileType, mode: status.st_mode & 0o100 == 0 ? 0o644 : 0o755, size: size)
        var buffer = [UInt8](repeating: 0, count: EngineTree.blockBytes)
        var done: Int64 = 0
        while done < size {
            let count = read(file, &buffer, Int(min(Int64(buffer.count), size - done)))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw EngineTree.storage(source, "changed while it was read") }
            if done == 0, architecture == nil { architecture = EngineTree.architecture(elf: buffer.prefix(count)) }
            var written = 0
            while written < count {
                let more = buffer.withUnsafeBytes { bytes in
                    archive_write_data(archive, bytes.baseAddress?.advanced(by: written), count - written)
                }
                guard more > 0 else { throw Self.failure(archive, path) }
                written += more
            }
            done += Int64(count)
        }
    }

    private func header(
        _ name: String, _ type: mode_t, mode: mode_t, size: Int64, link: String? = nil
    ) throws(BundleError) {
        guard let entry = archive_entry_new() else {
            throw BundleError(.archiveFailed, EngineTree.document, "", "libarchive gave no entry")
        }
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, name)
        archive_entry_set_filetype(entry, UInt32(type))
        archive_entry_set_perm(entry, mode)
        archive_entry_set_size(entry, size)
        archive_entry_set_mtime(entry, 0, 0)
        if let link { archive_entry_set_symlink(entry, link) }
        guard archive_write_header(archive, entry) == ARCHIVE_OK else { throw Self.failure(archive, path) }
    }

    private static func failure(_ archive: OpaquePointer, _ path: String) -> BundleError {
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "unknown cause"
        return BundleError(.storageFailed, EngineTree.document, path, "cannot be written: " + text)
    }
}
