internal import Glibc

/// A regular file mapped into memory, read only.
///
/// Touching a mapped page beyond the end of a file that was cut short kills the process. So the length is asked of
/// the file itself again before each copy. A file that another process cuts within that instant is not covered: give
/// files that nobody writes, e.g. blobs of the store.
package final class MappedFile: ByteSource {
    package let length: UInt64
    private let descriptor: Int32
    /// Guard: set in `init`, never written through, unmapped in `deinit` when no reader is left.
    nonisolated(unsafe) private let base: UnsafeRawPointer?

    /// Opens and maps the file at `path`; throws `unreadable` where it is absent, forbidden, or no regular file.
    package init(path: String) throws(GGUFError) {
        // O_NONBLOCK: opening a FIFO must not wait for a writer; it is refused below.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw Self.unreadable(path, "cannot be opened: \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == Glibc.S_IFREG, status.st_size >= 0 else {
            close(descriptor)
            throw Self.unreadable(path, "not a regular file")
        }
        let length = Int(status.st_size)
        var base: UnsafeRawPointer?
        if length > 0 {
            let mapped = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, 0)
            guard let mapped, mapped != MAP_FAILED else {
                let reason = String(cString: strerror(errno))
                close(descriptor)
                throw Self.unreadable(path, "cannot be mapped: \(reason)")
            }
            base = UnsafeRawPointer(mapped)
        }
        self.length = UInt64(length)
        self.descriptor = descriptor
        self.base = base
    }

    deinit {
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), Int(length)) }
        close(descriptor)
    }

    package func bytes(at offset: UInt64, count: UInt64) throws(GGUFError) -> [UInt8] {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= length else {
            throw GGUFError(.truncated, field: "bytes", offset: offset, detail: "the file has \(length) bytes")
        }
        guard count > 0, let base else { return [] }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size >= 0, UInt64(status.st_size) == length else {
            throw GGUFError(
                .changedWhileReading, field: "file", offset: offset,
                detail: "had \(length) bytes when it was opened and has \(status.st_size) now")
        }
        return Array(UnsafeRawBufferPointer(start: base + Int(offset), count: Int(count)))
    }

    private static func unreadable(_ path: String, _ detail: String) -> GGUFError {
        GGUFError(.unreadable, field: "file \(path)", offset: 0, detail: detail)
    }
}
