internal import Glibc
package import MartletTypes

extension EngineTree {
    /// Stands for an unpacked engine: the names of all that is in it, the files' modes and bytes, and where links lead.
    ///
    /// It tells an unpacked folder from what it was when it was made. Blocks.
    package static func digest(of folder: String) throws(BundleError) -> Digest {
        let hasher = DigestHasher()
        try add(folder, "", to: hasher)
        return hasher.finish()
    }

    private static func add(_ folder: String, _ place: String, to hasher: borrowing DigestHasher) throws(BundleError) {
        for name in try names(folder) {
            let source = folder + "/" + name
            let shown = place + "/" + name
            var status = stat()
            guard lstat(source, &status) == 0 else { throw storage(source, "cannot be read") }
            note(shown, to: hasher)
            note(String(status.st_mode & (S_IFMT | 0o777), radix: 8), to: hasher)
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try add(source, shown, to: hasher)
            case S_IFLNK: note(try target(of: source), to: hasher)
            case S_IFREG:
                note(String(status.st_size), to: hasher)
                try add(bytes: source, to: hasher)
            default: throw BundleError(.forbiddenEntry, document, shown, "is neither a file, a folder nor a link")
            }
        }
    }

    /// With its length before it, so that no two trees are one text.
    private static func note(_ text: String, to hasher: borrowing DigestHasher) {
        hasher.update(Array("\(text.utf8.count) \(text)\n".utf8))
    }

    private static func add(bytes path: String, to hasher: borrowing DigestHasher) throws(BundleError) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw storage(path, "cannot be opened") }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: blockBytes, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw storage(path, "cannot be read") }
            if count == 0 { return }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Where a link leads, as far as a link of an engine may be long.
    static func target(of link: String) throws(BundleError) -> String {
        var buffer = [UInt8](repeating: 0, count: BundleLimits.treePathBytes + 1)
        let count = readlink(link, &buffer, buffer.count)
        guard count > 0 else { throw storage(link, "cannot be read") }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    /// What is in a folder, in order.
    static func names(_ folder: String) throws(BundleError) -> [String] {
        guard let handle = opendir(folder) else { throw EngineTree.storage(folder, "cannot be read") }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
