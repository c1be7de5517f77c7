private import Glibc
internal import MartletTypes

/// One upload at work: its file and the hash of what it holds so far.
///
/// Guarded by the serial queue that `FileBlobStore` gives each upload; it is touched on no other.
final class UploadSession: @unchecked Sendable {
    let path: String
    private let file: FileDescriptor
    /// Nil until bytes come: what a process that died has left is hashed again only when it goes on.
    private var hasher: DigestHasher?
    private(set) var offset: Int64

    /// Opens the file, new or as a process that died has left it.
    init(path: String, isNew: Bool) throws {
        self.path = path
        file = try FileDescriptor(opening: path, O_RDWR | (isNew ? O_CREAT | O_EXCL : 0), mode: 0o600)
        offset = try file.size()
    }

    /// Adds bytes; on an error the file is cut back to where it was.
    func append(_ bytes: [UInt8], at start: Int64) throws {
        guard start == offset else {
            throw StoreError(.uploadOffset, "The upload stands at \(offset), the chunk starts at \(start).")
        }
        guard Int64(bytes.count) <= Limits.blobBytes - offset else {
            throw StoreError(.tooLarge, "A blob has at most \(ByteCount(Limits.blobBytes)).")
        }
        if hasher == nil { hasher = try hashed(.sha256) }
        try bytes.withUnsafeBytes { buffer in
            do {
                try file.write(buffer, at: offset)
            } catch {
                try file.truncate(to: offset)
                throw error
            }
            hasher?.update(buffer)
        }
        offset += Int64(bytes.count)
    }

    /// Makes the bytes durable and returns their digest.
    func finish(_ algorithm: Digest.Algorithm) throws -> Digest {
        try file.synchronize()
        if algorithm == .sha256, let hasher = hasher.take() { return hasher.finish() }
        return try hashed(algorithm).finish()
    }

    /// The hash of what the file holds up to the offset.
    private func hashed(_ algorithm: Digest.Algorithm) throws -> DigestHasher {
        let hasher = DigestHasher(algorithm)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: StoreLimits.hashReadBytes, alignment: 16)
        defer { buffer.deallocate() }
        var position: Int64 = 0
        while position < offset {
            let count = try file.read(into: buffer, at: position)
            guard count > 0 else { throw StoreError(.corrupt, "The file of an upload became shorter.") }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += Int64(count)
        }
        return hasher
    }
}
