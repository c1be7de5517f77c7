import Glibc
import Hummingbird
import MartletTypes
import NIOCore
import NIOPosix
import RegistryStore

/// An open blob, read on threads of its own so that no event loop waits for the disk.
final class BlobFile: Sendable {
    fileprivate let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    static func open(_ path: String) async throws -> BlobFile {
        try await NIOThreadPool.singleton.runIfActive {
            let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "open a blob") }
            return BlobFile(descriptor: descriptor)
        }
    }

    /// At most `count` bytes at `offset`; fewer only at the end of the file.
    func read(at offset: Int64, count: Int) async throws -> ByteBuffer {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            var buffer = ByteBuffer()
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                while true {
                    let received = pread(descriptor, space.baseAddress, count, off_t(offset))
                    if received < 0, errno == EINTR { continue }
                    guard received >= 0 else { throw IOError(errnoCode: errno, reason: "read a blob") }
                    return received
                }
            }
            return buffer
        }
    }

    /// Has the kernel read a part into memory, so that sending it does not wait for the disk; returns how many bytes of
    /// it the file has.
    func prepare(_ range: Range<Int64>) async throws -> Int64 {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw IOError(errnoCode: errno, reason: "look at a blob") }
            populate(range)
            return max(0, min(Int64(status.st_size), range.upperBound) - range.lowerBound)
        }
    }

    /// Waits here, on a thread that may wait, until the pages are in memory. A kernel before 5.14 does not know the
    /// advice; then sending waits for the disk.
    private func populate(_ range: Range<Int64>) {
        let populateRead: Int32 = 22
        let start = range.lowerBound & ~Int64(ServerLimits.mapAlignment - 1)
        let count = Int(range.upperBound - start)
        guard let pages = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, off_t(start)), pages != MAP_FAILED else {
            return
        }
        madvise(pages, count, populateRead)
        munmap(pages, count)
    }
}

extension ResponseBody {
    /// A part of a blob: by the kernel from a local file on a plain connection, else with one buffer in memory at a
    /// time.
    static func blob(
        _ source: BlobSource, _ range: Range<Int64>, on channel: any Channel, sent: @escaping @Sendable (Int) -> Void
    ) -> ResponseBody {
        ResponseBody(contentLength: range.count) { writer in
            var offset = range.lowerBound
            let file: BlobFile? = if case .file(let path, _) = source { try await BlobFile.open(path) } else { nil }
            if let file { offset = try await sendByKernel(file, range, on: channel, sent: sent) }
            while offset < range.upperBound {
                let count = Int(min(Int64(ServerLimits.readBytes), range.upperBound - offset))
                let piece: ByteBuffer
                if let file {
                    piece = try await file.read(at: offset, count: count)
                } else if case .stream(_, let read) = source {
                    piece = ByteBuffer(bytes: try await read(offset..<offset + Int64(count)))
                } else {
                    throw ServerError.internalError
                }
                // A file that became shorter: the connection must break, not end as if all were there.
                guard piece.readableBytes > 0 else { throw ServerError.internalError }
                offset += Int64(piece.readableBytes)
                sent(piece.readableBytes)
                try await writer.write(piece)
            }
            try await writer.finish(nil)
        }
    }

    /// Sends as much as goes by `sendfile`; returns where the rest begins.
    private static func sendByKernel(
        _ file: BlobFile, _ range: Range<Int64>, on channel: any Channel, sent: @Sendable (Int) -> Void
    ) async throws -> Int64 {
        // The descriptor is lent to the event loop, so the file stays open until the last piece is gone.
        defer { withExtendedLifetime(file) {} }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = offset..<min(offset + ServerLimits.sendBytes, range.upperBound)
            guard try await file.prepare(piece) == Int64(piece.count) else { throw ServerError.internalError }
            let isSent = try await channel.sendFile(file.descriptor, piece)
            guard isSent else { return offset }
            sent(piece.count)
            offset = piece.upperBound
        }
        return offset
    }
}
