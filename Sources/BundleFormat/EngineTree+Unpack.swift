internal import CArchive
internal import Glibc
package import MartletTypes

/// An unpacked engine: a folder with a program, its libraries and nothing else, as one archive (tar under zstd).
package enum EngineTree {
    static let document = "engine archive"
    static let blockBytes = 256 * 1024
    /// `AE_IFREG`, `AE_IFDIR` and `AE_IFLNK`, macros with casts that Swift does not import.
    static let fileType: mode_t = 0o100000
    static let folderType: mode_t = 0o040000
    static let linkType: mode_t = 0o120000

    /// Unpacks an archive into an existing empty folder and makes it durable. At most `limit` bytes come out.
    ///
    /// Believes nothing that the archive says: refuses absolute paths, `..`, links that could lead out, hard links,
    /// devices, sparse files, set-id bits, names that come twice, and more bytes or entries than were promised.
    /// Files get the modes 0644 or 0755, whatever the archive says of writing. Blocks.
    package static func unpack(_ archive: String, into folder: String, limit: ByteCount) throws(BundleError) {
        let root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard root >= 0 else { throw storage(folder, "cannot be opened") }
        defer { close(root) }
        var reader = try TreeReader(archive, root: root, left: limit.bytes)
        defer { reader.finish() }
        while try reader.next() {}
        try reader.makeLinks()
        try reader.synchronizeFolders()
    }

    static func storage(_ name: String, _ what: String) -> BundleError {
        BundleError(.storageFailed, document, name, "\(what): \(String(cString: strerror(errno)))")
    }
}

/// One pass over an archive. Links are made last, so that nothing is ever written through one.
private struct TreeReader {
    private let archive: OpaquePointer
    private let descriptor: Int32
    private let root: Int32
    private var left: Int64
    private var entries = 0
    private var seen: Set<String> = []
    /// Every folder that got an entry, by its path below the root.
    private var folders: Set<[String]> = [[]]
    private var links: [(place: [String], target: String)] = []

    init(_ path: String, root: Int32, left: Int64) throws(BundleError) {
        self.root = root
        self.left = left
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw EngineTree.storage(path, "cannot be opened") }
        guard let archive = archive_read_new() else {
            close(descriptor)
            throw BundleError(.archiveFailed, EngineTree.document, "", "libarchive did not start")
        }
        self.archive = archive
        // Anything but OK for zstd means that libarchive would run a program from PATH.
        guard archive_read_support_format_tar(archive) == ARCHIVE_OK,
            archive_read_support_filter_zstd(archive) == ARCHIVE_OK,
            archive_read_open_fd(archive, descriptor, EngineTree.blockBytes) == ARCHIVE_OK
        else {
            let error = Self.failure(archive)
            archive_read_free(archive)
            close(descriptor)
            throw error
        }
    }

    mutating func finish() {
        archive_read_free(archive)
        close(descriptor)
    }

    /// Unpacks the next entry; false at the end.
    mutating func next() throws(BundleError) -> Bool {
        var header: OpaquePointer?
        let code = archive_read_next_header(archive, &header)
        if code == ARCHIVE_EOF { return false }
        guard code == ARCHIVE_OK, let header else { throw Self.failure(archive) }
        entries += 1
        guard entries <= BundleLimits.treeEntries else {
            throw BundleError(
                .tooLarge, EngineTree.document, "", "it has more than \(BundleLimits.treeEntries) entries")
        }
        guard let name = archive_entry_pathname(header).map({ String(cString: $0) }) else {
            throw BundleError(.forbiddenEntry, EngineTree.document, "", "an entry has a name that is not ASCII")
        }
        func refusal(_ detail: String) -> BundleError {
            BundleError(.forbiddenEntry, EngineTree.document, name, detail)
        }
        guard let place = TreePath.components(name) else { throw refusal("could leave its folder") }
        guard seen.insert(place.joined(separator: "/")).inserted else {
            throw BundleError(.duplicate, EngineTree.document, name, "stands there twice")
        }
        guard archive_entry_hardlink(header) == nil else { throw refusal("is a hard link") }
        guard archive_entry_perm(header) & 0o7000 == 0 else { throw refusal("has a set-id or sticky bit") }
        switch archive_entry_filetype(header) {
        case EngineTree.folderType:
            close(try folder(place))
        case EngineTree.linkType:
            guard let target = archive_entry_symlink(header).map({ String(cString: $0) }),
                TreePath.admits(link: target, at: place)
            else { throw refusal("is a link that could lead out of its folder") }
            links.append((place, target))
        case EngineTree.fileType:
            guard archive_entry_sparse_count(header) == 0 else { throw refusal("is a sparse file") }
            let size = archive_entry_size(header)
            guard archive_entry_size_is_set(header) != 0, size >= 0, size <= left else {
                throw BundleError(
                    .tooLarge, EngineTree.document, name, "has \(size) bytes, more than was promised for all")
            }
            left -= size
            try write(place, size: size, mode: archive_entry_perm(header) & 0o100 == 0 ? 0o644 : 0o755)
        default: throw refusal("is neither a file, a folder nor a link")
        }
        return true
    }

    mutating func makeLinks() throws(BundleError) {
        for (place, target) in links {
            let parent = try folder(place.dropLast())
            defer { close(parent) }
            guard symlinkat(target, parent, place[place.count - 1]) == 0 else {
                throw Self.clash(place.joined(separator: "/"), "cannot be made")
            }
        }
    }

    func synchronizeFolders() throws(BundleError) {
        for place in folders {
            let folder = try open(folder: place)
            defer { close(folder) }
            guard fsync(folder) == 0 else {
                throw EngineTree.storage(place.joined(separator: "/"), "cannot be synced")
            }
        }
    }

    private mutating func folder(_ place: some Sequence<String>) throws(BundleError) -> Int32 {
        let place = Array(place)
        for count in 0...place.count { folders.insert(Array(place.prefix(count))) }
        return try open(folder: place)
    }

    /// Opens a folder below the root, making what is not there. Only folders are entered, never links.
    private func open(folder place: [String]) throws(BundleError) -> Int32 {
        var current = fcntl(root, F_DUPFD_CLOEXEC, 0)
        guard current >= 0 else { throw EngineTree.storage("", "cannot be opened") }
        for name in place {
            guard mkdirat(current, name, 0o755) == 0 || errno == EEXIST else {
                close(current)
                throw EngineTree.storage(name, "cannot be made")
            }
            let next = openat(current, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            close(current)
            guard next >= 0 else { throw Self.clash(name, "cannot be opened") }
            current = next
        }
        return current
    }

    private mutating func write(_ place: [String], size: Int64, mode: mode_t) throws(BundleError) {
        let name = place.joined(separator: "/")
        let parent = try folder(place.dropLast())
        defer { close(parent) }
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let file = openat(parent, place[place.count - 1], flags, mode)
        guard file >= 0 else { throw Self.clash(name, "cannot be made") }
        defer { close(file) }
        // The process's mask must not take away what an engine needs.
        guard fchmod(file, mode) == 0 else { throw EngineTree.storage(name, "cannot be made executable") }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: EngineTree.blockBytes, alignment: 64)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while true {
            let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
            guard count >= 0 else { throw Self.failure(archive) }
            if count == 0 { break }
            done += Int64(count)
            guard done <= size else {
                throw BundleError(
                    .sizeMismatch, EngineTree.document, name, "has more bytes than its header says")
            }
            var written = 0
            while written < count {
                let more = Glibc.write(file, buffer.baseAddress?.advanced(by: written), count - written)
                if more < 0, errno == EINTR { continue }
                guard more > 0 else { throw EngineTree.storage(name, "cannot be written") }
                written += more
            }
        }
        guard done == size else {
            throw BundleError(.sizeMismatch, EngineTree.document, name, "has fewer bytes than its header says")
        }
        guard fsync(file) == 0 else { throw EngineTree.storage(name, "cannot be synced") }
    }

    /// What an entry's place did not take: a fault of the archive where an entry of its own is in the way.
    private static func clash(_ name: String, _ what: String) -> BundleError {
        guard [EEXIST, ENOTDIR, ELOOP].contains(errno) else { return EngineTree.storage(name, what) }
        return BundleError(.forbiddenEntry, EngineTree.document, name, "stands where another entry does")
    }

    private static func failure(_ archive: OpaquePointer) -> BundleError {
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "it is damaged"
        return BundleError(.archiveFailed, EngineTree.document, "", "it cannot be read: " + text)
    }
}
