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
    /// The connection was kept from an earlier request and ended before a byte of the answer: most likely the engine
    /// closed it while it was idle.
    case stale
    /// It had the request and went away.
    case gone
    /// It was silent for longer than it may be.
    case silent
}

/// One connection to an engine: a request and its answer, read only as fast as the client takes it; then, where both
/// sides keep connections, the next.
final class EngineConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        /// The request is sent once it stands.
        case connecting(InferenceRequest)
        case answering
        /// The answer is whole; what else this read brought is still to be seen.
        case answered
        case idle
        case closed
    }

    /// Where it leads.
    let route: GatewayRoute
    private let core: GatewayCore
    private weak var delegate: (any EngineConnectionDelegate)?
    private var state: State
    private var context: ChannelHandlerContext?
    private var isPaused = false
    /// Whether it was kept from an earlier request.
    private var isReused = false
    /// Whether the present answer has begun.
    private var hasHead = false
    /// Whether the present answer leaves the connection open and says where it ends.
    private var mayStay = false
    private var heard = NIODeadline.now()
    private var watch: Scheduled<Void>?

    init(_ request: InferenceRequest, to route: GatewayRoute, core: GatewayCore, delegate: any EngineConnectionDelegate)
    {
        self.route = route
        self.core = core
        self.delegate = delegate
        state = .connecting(request)
    }

    /// Connects and sends the request. Call on the event loop, and after the delegate has taken hold of the connection:
    /// a UNIX socket without a listener fails before this returns.
    @inline(never)
    func open(loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                    try pipeline.addHandler(bound.value)
                }
            }
            .connect(unixDomainSocketPath: route.socketPath)
            .assumeIsolated()
            .whenFailure { _ in self.end(.notReached) }
    }

    /// Sends the next request on a connection that was kept. Call after the delegate has taken hold of it.
    func ask(_ request: InferenceRequest, delegate: any EngineConnectionDelegate) {
        self.delegate = delegate
        isReused = true
        guard case .idle = state, let context else { return end(.stale) }
        send(request, context)
    }

    /// Reads on after the delegate could not take more.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        heard = .now()
        context?.read()
    }

    /// Ends the connection; the delegate hears nothing more.
    func close() {
        delegate = nil
        state = .closed
        context?.close(promise: nil)
    }

    func channelActive(context: ChannelHandlerContext) {
        guard delegate != nil, case .connecting(let request) = state else { return context.close(promise: nil) }
        self.context = context
        send(request, context)
    }

    private func send(_ request: InferenceRequest, _ context: ChannelHandlerContext) {
        (state, hasHead, mayStay, isPaused, heard) = (.answering, false, false, false, .now())
        var headers: HTTPHeaders = ["host": "localhost"]
        if !route.keepsAlive { headers.add(name: "connection", value: "close") }
        if let type = request.contentType { headers.add(name: "content-type", value: type) }
        if request.method != .GET {
            headers.add(name: "content-length", value: String(request.body.readableBytes))
        }
        let head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .GET { context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        // A connection that was kept has been reading all the while, to hear of its end.
        if !isReused { context.read() }
        if watch == nil { watchSilence(context) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        heard = .now()
        core.heard(route)
        guard case .answering = state else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            hasHead = true
            mayStay = route.keepsAlive && Self.staysOpen(after: head)
            delegate?.received(head)
        case .body(let bytes): delegate?.received(bytes)
        case .end:
            let delegate = delegate
            if mayStay {
                self.delegate = nil
                state = .answered
            } else {
                close()
            }
            delegate?.receivedEnd()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch state {
        case .answered:
            // Not before: bytes behind the answer would be taken for that of the next request.
            state = .idle
            guard core.leads(to: route), core.pool.value.keep(self) else { return close() }
            context.read()
        case .answering:
            if delegate?.takesMore ?? false { context.read() } else { isPaused = true }
        case .idle: end(.stale)
        case .connecting, .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A socket that the engine closed is an I/O error; what it says wrong is one of HTTP.
        end(isReused && !hasHead && error is IOError ? .stale : .gone)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(isReused && !hasHead ? .stale : .gone)
        watch?.cancel()
        watch = nil
        self.context = nil
    }

    private func end(_ loss: EngineLoss) {
        if case .idle = state { core.pool.value.forget(self) }
        let delegate = delegate
        close()
        delegate?.lost(loss)
    }

    /// Whether the engine keeps the connection after this answer for longer than the gateway does, and the answer's
    /// end can be told without closing it. llama-server closes after every stream, although it says otherwise: only an
    /// answer that tells its length beforehand leaves a connection.
    private static func staysOpen(after head: HTTPResponseHead) -> Bool {
        guard head.isKeepAlive, head.headers.contains(name: "content-length") else { return false }
        let rules = head.headers[canonicalForm: "keep-alive"]
        guard let rule = rules.first(where: { $0.hasPrefix("timeout=") }) else { return true }
        return Int(rule.dropFirst("timeout=".count)).map { $0 > RuntimeLimits.idleConnectionSeconds } ?? false
    }

    /// One timer for the connection's life, which looks again whenever it has heard something meanwhile.
    private func watchSilence(_ context: ChannelHandlerContext) {
        let due = heard + TimeAmount(core.configuration.engineSilence)
        watch = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            self.watch = nil
            guard case .answering = self.state else { return }
            // While the client does not take what is there, the engine's silence is not its own.
            if self.isPaused {
                self.heard = .now()
                self.core.heard(self.route)
            }
            guard self.heard + TimeAmount(self.core.configuration.engineSilence) > .now() else {
                self.core.silent(self.route)
                return self.end(.silent)
            }
            self.watchSilence(context)
        }
    }
}
