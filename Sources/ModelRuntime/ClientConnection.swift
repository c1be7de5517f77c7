internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1

/// One connection of a client: takes requests whole, one after the other, and writes their answers.
final class ClientConnection: ChannelInboundHandler, ExchangeClient {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        /// Between two requests.
        case idle
        case reading(HTTPRequestHead, ByteBuffer)
        /// Answered before the request's end, whose bytes are let go.
        case discarding(Int)
        case answering(Exchange?)
        case closed
    }

    /// Bytes of a refused request that are read so that the client gets to read its refusal.
    private static let discardedBytes = 64 * 1024 * 1024

    private let core: GatewayCore
    private let isLocalSocket: Bool
    private var state = State.idle
    private var context: ChannelHandlerContext?
    private var keepsAlive = true
    private var isHead = false
    /// Set when the gateway stops: the connection ends with the answer that is being given.
    private var isLast = false

    init(core: GatewayCore, isLocalSocket: Bool) {
        self.core = core
        self.isLocalSocket = isLocalSocket
    }

    /// The gateway stops: an idle connection ends now, another after its answer.
    func finishUp() {
        isLast = true
        if case .idle = state { context?.close(promise: nil) }
    }

    /// Ends whatever is going on.
    func close() { context?.close(promise: nil) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .idle): begin(head, context)
        case (.body(let bytes), .reading(let head, var body)):
            guard body.readableBytes + bytes.readableBytes <= Int(core.configuration.maxBodyBytes.bytes) else {
                return refuse(GatewayRequest.tooLarge(core.configuration))
            }
            // Let go of the stored copy first, or each piece would copy all that came before it.
            state = .idle
            body.writeImmutableBuffer(bytes)
            state = .reading(head, body)
        case (.end, .reading(let head, let body)): decide(head, body, context)
        case (.body(let bytes), .discarding(let count)):
            guard count + bytes.readableBytes <= Self.discardedBytes else { return context.close(promise: nil) }
            state = .discarding(count + bytes.readableBytes)
        case (.end, .discarding): context.close(promise: nil)
        default: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .answering(let exchange) = state, context.channel.isWritable { exchange?.clientTakesMore() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
        // While an answer is under way the client has nothing to say.
        if case .answering = state { return }
        context.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) {
        let before = state
        state = .closed
        if case .answering(let exchange) = before { exchange?.abandon() }
        context.fireChannelInactive()
    }

    // MARK: Requests

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        keepsAlive = head.isKeepAlive
        isHead = head.method == .HEAD
        state = .reading(head, ByteBuffer())
        if let reply = GatewayRequest.refusal(head, configuration: core.configuration, isLocalSocket: isLocalSocket) {
            return refuse(reply)
        }
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
            let go = HTTPResponseHead(version: .http1_1, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
        }
    }

    /// Answers before the request's end.
    private func refuse(_ reply: GatewayReply) {
        keepsAlive = false
        write(reply, thenIdle: false)
        state = .discarding(0)
    }

    private func decide(_ head: HTTPRequestHead, _ body: ByteBuffer, _ context: ChannelHandlerContext) {
        switch GatewayRequest.decide(head, body: body, slots: core.slotStates) {
        case .reply(let reply):
            state = .answering(nil)
            answer(reply)
        case .infer(let request):
            let exchange = Exchange(request, core: core, loop: context.eventLoop, client: self)
            state = .answering(exchange)
            exchange.start()
        }
    }

    // MARK: Answers

    var isWritable: Bool { context?.channel.isWritable ?? true }

    func answer(_ reply: GatewayReply) {
        guard case .answering = state else { return }
        write(reply, thenIdle: true)
    }

    func begin(_ head: HTTPResponseHead) {
        var head = head
        if !keepsAlive || isLast { head.headers.replaceOrAdd(name: "connection", value: "close") }
        context?.write(wrapOutboundOut(.head(head)), promise: nil)
    }

    func pass(_ bytes: ByteBuffer) {
        context?.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
    }

    func end() {
        guard case .answering = state, let context else { return }
        state = .idle
        guard keepsAlive, !isLast else {
            state = .closed
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(.end(nil))).assumeIsolated().whenComplete { _ in
                bound.value.close(promise: nil)
            }
            return
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func breakOff(_ lastWords: ByteBuffer?) {
        state = .closed
        guard let context else { return }
        // No end of the body is written: that is how HTTP says that an answer is not whole.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(lastWords ?? ByteBuffer())))).assumeIsolated()
            .whenComplete { _ in bound.value.close(promise: nil) }
    }

    private func write(_ reply: GatewayReply, thenIdle: Bool) {
        guard let context else { return }
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status))
        head.headers.add(name: "content-type", value: "application/json")
        head.headers.add(name: "content-length", value: String(reply.body.count))
        for (name, value) in reply.headers { head.headers.add(name: name, value: value) }
        begin(head)
        if !isHead { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: reply.body)))), promise: nil) }
        if thenIdle { end() } else { context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
    }
}
