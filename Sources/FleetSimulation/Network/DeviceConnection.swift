internal import NIOCore
internal import NIOHTTP1

/// One device's connection: one request at a time over HTTP/1.1, its answer to a closure.
///
/// `@unchecked Sendable`: touched on the fleet's event loop only.
final class DeviceConnection: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// A whole answer.
    struct Reply {
        var status: Int
        var headers: HTTPHeaders
        var body: ByteBuffer
        /// Bytes of the body, kept or not.
        var count: Int64 = 0
    }

    /// What is sent.
    struct Request {
        var method: HTTPMethod
        var path: String
        var headers: [(String, String)] = []
        var body: [UInt8] = []
        /// Whether the answer's bytes are wanted.
        var keepsBody = true
        /// Seconds after which the answer is not waited for any more.
        var seconds: Int64
    }

    private let host: String
    private let closed: @Sendable (DeviceConnection) -> Void
    private var context: ChannelHandlerContext?
    private var waiting: ((Reply?) -> Void)?
    private var keepsBody = true
    private var reply: Reply?
    private var alarm: Scheduled<Void>?

    /// `closed` is called once when the connection is over.
    init(host: String, closed: @escaping @Sendable (DeviceConnection) -> Void) {
        self.host = host
        self.closed = closed
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Sends; `answered` gets nil where no whole answer comes.
    func send(_ request: Request, answered: @escaping (Reply?) -> Void) {
        guard let context, context.channel.isActive, waiting == nil else {
            answered(nil)
            return
        }
        waiting = answered
        keepsBody = request.keepsBody
        write(request, context)
        alarm = context.eventLoop.scheduleTask(in: .seconds(request.seconds)) { [weak self] in
            self?.close()
        }
    }

    /// Sends and cuts the connection as soon as the bytes are out.
    func sendAndCut(_ request: Request) {
        guard let context, context.channel.isActive else { return }
        write(request, context)
        // TLS says farewell after what was written, so that the request arrives whole.
        close()
    }

    func close() { context?.close(promise: nil) }

    private func write(_ request: Request, _ context: ChannelHandlerContext) {
        var head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path)
        head.headers.add(name: "host", value: host)
        for (name, value) in request.headers { head.headers.add(name: name, value: value) }
        if request.method != .GET { head.headers.add(name: "content-length", value: String(request.body.count)) }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !request.body.isEmpty {
            context.write(
                wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: request.body)))), promise: nil
            )
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            reply = Reply(status: Int(head.status.code), headers: head.headers, body: ByteBuffer())
        case .body(var part):
            reply?.count += Int64(part.readableBytes)
            guard keepsBody || (reply?.status ?? 0) >= 400 else { return }
            guard (reply?.body.readableBytes ?? 0) + part.readableBytes <= SimulationLimits.answerBytes else {
                context.close(promise: nil)
                return
            }
            reply?.body.writeBuffer(&part)
        case .end:
            let isLast = reply?.headers["connection"].contains { $0.lowercased() == "close" } ?? true
            finish(reply)
            if isLast { context.close(promise: nil) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(nil)
        closed(self)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func finish(_ reply: Reply?) {
        alarm?.cancel()
        alarm = nil
        self.reply = nil
        guard let waiting else { return }
        self.waiting = nil
        waiting(reply)
    }
}
