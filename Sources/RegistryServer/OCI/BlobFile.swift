import Glibc
import Hummingbird
import MartletTypes
import NIOCore
import NIOPosix
import RegistryStore

/// An open blob, read on a thread of its own so that no event loop waits for the disk.
final class BlobFile: Sendable {
    private let descriptor: Int32

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
}

extension ResponseBody {
    /// A part of a blob, streamed with one buffer in memory at a time.
    static func blob(
        _ source: BlobSource, _ range: Range<Int64>, sent: @escaping @Sendable (Int) -> Void
    ) -> ResponseBody {
        ResponseBody(contentLength: Int(range.count)) { writer in
            var offset = range.lowerBound
            let file: BlobFile? = if case .file(let path, _) = source { try await BlobFile.open(path) } else { nil }
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
}
