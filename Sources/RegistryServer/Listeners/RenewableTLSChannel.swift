import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import Synchronization
import Trust

/// The TLS context of a listener, replaced in place when its certificate is renewed.
final class TLSContextBox: Sendable {
    private let box: Mutex<NIOSSLContext>

    init(_ configuration: TLSConfiguration) throws {
        box = Mutex(try NIOSSLContext(configuration: configuration))
    }

    /// What new connections use.
    var current: NIOSSLContext { box.withLock { $0 } }

    /// Connections from now on use another certificate; open ones keep theirs.
    func replace(with configuration: TLSConfiguration) throws {
        let context = try NIOSSLContext(configuration: configuration)
        box.withLock { $0 = context }
    }
}

/// HTTP/1.1 over TLS whose certificate can change while it runs.
struct RenewableTLSChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let base: HTTP1Channel
    let contexts: TLSContextBox

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let context = contexts.current
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
            try channel.pipeline.syncOperations.addHandler(DeviceConnectionHandler())
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// Remembers the certificate of the other side, parsed once when the handshake is over, and tells who waits on the
/// connection that it closed.
///
/// `@unchecked Sendable`: touched on the channel's event loop only.
final class DeviceConnectionHandler: ChannelInboundHandler, RemovableChannelHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// What the certificate says; nil where none was presented.
    private(set) var certificate: CertificateFacts?
    /// Called once when the other side is gone.
    var onClose: (@Sendable () -> Void)?
    private var isRead = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isRead {
            // The first plain bytes come after the handshake.
            isRead = true
            do {
                let der = try context.pipeline.syncOperations.nioSSL_peerCertificate()?.toDERBytes()
                certificate = try der.map { try CertificateFacts($0) }
            } catch {
                certificate = nil
            }
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        onClose?()
        onClose = nil
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { onClose?() }
        context.fireUserInboundEventTriggered(event)
    }
}

extension ServerContext {
    /// The certificate that the other side of this connection presented and TLS verified; nil for none.
    func peerCertificate() async throws -> CertificateFacts? {
        let channel = channel
        return try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: DeviceConnectionHandler.self).certificate
        }.get()
    }

    /// Sets what is called when the other side goes away; nil takes it back.
    func onClose(_ action: (@Sendable () -> Void)?) {
        let channel = channel
        channel.eventLoop.execute {
            guard let handler = try? channel.pipeline.syncOperations.handler(type: DeviceConnectionHandler.self) else {
                return
            }
            handler.onClose = action
            if !channel.isActive { action?() }
        }
    }
}
