internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// What an exchange with a client hears from the connection to its engine. All on the event loop.
protocol EngineConnectionDelegate: AnyObject {
    func received(_ head: HTTPResponseHead)
    func received(_ bytes: ByteBuffer)
    func receivedEnd()
    /// The connection is over before the end of the answer.
    func lost(_ loss: EngineLoss)
    /// Whether more of the answer can be taken now.
    var takesMore: Bool { get }
}

/// How an engine failed a request.
enum EngineLoss: Sendable {
    /// Nobody listens at its socket, or it answered that it is not ready: the request did not reach it.
    case notReached
    /// It had the request and went away.
    case gone
    /// It was silent for longer than it may be.
    case silent
}

/// One request on one connection to an engine, read only as fast as the client takes it.
final class EngineConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private weak var delegate: (any EngineConnectionDelegate)?
    private let request: InferenceRequest
    private var context: ChannelHandlerContext?
    private var isPaused = false

    init(_ request: InferenceRequest, delegate: any EngineConnectionDelegate) {
        self.request = request
        self.delegate = delegate
    }

    /// Connects and sends the request. Call on the event loop, and after the delegate has taken hold of the connection:
    /// a UNIX socket without a listener fails before this returns. The engine closes after its answer, because idle
    /// connections would hold up its end.
    @inline(never)
    func open(socketPath: String, silence: Duration, loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(readTimeout: TimeAmount(silence)))
                    try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                    try pipeline.addHandler(bound.value)
                }
            }
            .connect(unixDomainSocketPath: socketPath)
            .assumeIsolated()
            .whenFailure { _ in self.end(.notReached) }
    }

    /// Reads on after the delegate could not take more.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        context?.read()
    }

    /// Ends the connection; the delegate hears nothing more.
    func close() {
        delegate = nil
        context?.close(promise: nil)
    }

    func channelActive(context: ChannelHandlerContext) {
        guard delegate != nil else { return context.close(promise: nil) }
        self.context = context
        var headers: HTTPHeaders = ["host": "localhost", "connection": "close"]
        if let type = request.contentType { headers.add(name: "content-type", value: type) }
        if request.method != .GET {
            headers.add(name: "content-length", value: String(request.body.readableBytes))
        }
        let head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .GET { context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): delegate?.received(head)
        case .body(let bytes): delegate?.received(bytes)
        case .end:
            let delegate = delegate
            close()
            delegate?.receivedEnd()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard let delegate else { return }
        if delegate.takesMore { context.read() } else { isPaused = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // While the client does not take what is there, the engine's silence is not its own.
        if event is IdleStateHandler.IdleStateEvent, !isPaused { end(.silent) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(.gone) }

    func channelInactive(context: ChannelHandlerContext) {
        end(.gone)
        self.context = nil
    }

    private func end(_ loss: EngineLoss) {
        guard let delegate else { return }
        close()
        delegate.lost(loss)
    }
}
