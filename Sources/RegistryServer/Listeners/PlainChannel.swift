import HummingbirdCore
import Logging
import NIOCore

/// HTTP/1.1 without TLS, on which the kernel can send files by itself.
struct PlainChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(FileRegionHandler())
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// Stands first in the pipeline, next to the socket: what is written here passes no encoder and no TLS.
///
/// A body whose length was announced needs no encoding, so a file's bytes may go this way between head and end.
final class FileRegionHandler: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = IOData
}

extension Channel {
    /// Sends a part of an open file by `sendfile`; returns once the kernel has taken it. False where this connection
    /// cannot, because it has TLS.
    func sendFile(_ descriptor: CInt, _ range: Range<Int64>) async throws -> Bool {
        try await eventLoop.flatSubmit { [self] in
            let context: ChannelHandlerContext
            do {
                context = try pipeline.syncOperations.context(handlerType: FileRegionHandler.self)
            } catch {
                return eventLoop.makeSucceededFuture(false)
            }
            // The region borrows the descriptor: whoever opened the file closes it.
            let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
            let region = FileRegion(
                fileHandle: handle, readerIndex: Int(range.lowerBound), endIndex: Int(range.upperBound))
            let written = eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(NIOAny(IOData.fileRegion(region)), promise: written)
            return written.futureResult.always { _ in _ = try? handle.takeDescriptorOwnership() }.map { true }
        }.get()
    }

    /// Tells a client that waits with its body to send it: an interim answer before the one of the handler, written
    /// below the encoder, which counts answers.
    func sendContinue() async throws {
        try await eventLoop.flatSubmit { [self] in
            let buffer = ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
            let written = eventLoop.makePromise(of: Void.self)
            if let context = try? pipeline.syncOperations.context(handlerType: FileRegionHandler.self) {
                context.writeAndFlush(NIOAny(IOData.byteBuffer(buffer)), promise: written)
            } else {
                do {
                    let context = try pipeline.syncOperations.context(handlerType: DeviceConnectionHandler.self)
                    context.writeAndFlush(NIOAny(buffer), promise: written)
                } catch {
                    written.fail(error)
                }
            }
            return written.futureResult
        }.get()
    }
}
