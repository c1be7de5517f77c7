import NIOCore
import NIOHTTP1
import NIOPosix

/// What a client of the gateway got.
struct GatewayAnswer: Sendable {
    var status = 0
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    /// Pieces of the body as they came.
    var pieces = 0
    /// Whether the end came, or the connection broke first.
    var isWhole = false

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// One connection to the gateway that is kept alive; one request at a time. Works from any task.
final class GatewayClient: Sendable {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private let channel: any Channel
    private let handler: NIOLoopBound<Handler>

    private init(channel: any Channel, handler: NIOLoopBound<Handler>) {
        self.channel = channel
        self.handler = handler
    }

    static func connect(port: Int) async throws -> GatewayClient {
        try await connect { try await $0.connect(host: "127.0.0.1", port: port).get() }
    }

    static func connect(socketPath: String) async throws -> GatewayClient {
        try await connect { try await $0.connect(unixDomainSocketPath: socketPath).get() }
    }

    private static func connect(_ dial: (ClientBootstrap) async throws -> any Channel) async throws -> GatewayClient {
        let made = group.any().makePromise(of: NIOLoopBound<Handler>.self)
        let bootstrap = ClientBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = Handler()
                try channel.pipeline.syncOperations.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                try channel.pipeline.syncOperations.addHandler(handler)
                made.succeed(NIOLoopBound(handler, eventLoop: channel.eventLoop))
            }
        }
        do {
            let channel = try await dial(bootstrap)
            return GatewayClient(channel: channel, handler: try await made.futureResult.get())
        } catch {
            made.fail(error)
            throw error
        }
    }

    /// Sends one request and waits for the end of its answer or of the connection.
    func ask(
        _ method: HTTPMethod = .POST, _ path: String = "/v1/chat/completions", body: String = "",
        headers: HTTPHeaders = [:], onPiece: (@Sendable () -> Void)? = nil
    ) async throws -> GatewayAnswer {
        let promise = channel.eventLoop.makePromise(of: GatewayAnswer.self)
        let (channel, handler) = (channel, handler)
        channel.eventLoop.execute {
            guard channel.isActive else { return promise.fail(ChannelError.ioOnClosedChannel) }
            handler.value.start(promise, onPiece)
            var head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
            if head.headers["host"].isEmpty { head.headers.add(name: "host", value: "localhost") }
            if method == .POST { head.headers.add(name: "content-length", value: String(body.utf8.count)) }
            let pipeline = channel.pipeline.syncOperations
            pipeline.write(NIOAny(HTTPClientRequestPart.head(head)), promise: nil)
            if !body.isEmpty {
                pipeline.write(NIOAny(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
            }
            pipeline.writeAndFlush(NIOAny(HTTPClientRequestPart.end(nil)), promise: nil)
        }
        return try await promise.futureResult.get()
    }

    /// Stops or goes on taking bytes from the kernel.
    func setReading(_ isReading: Bool) async throws {
        try await channel.setOption(.autoRead, value: isReading).get()
    }

    func close() async { try? await channel.close().get() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart

        private var promise: EventLoopPromise<GatewayAnswer>?
        private var onPiece: (@Sendable () -> Void)?
        private var answer = GatewayAnswer()

        func start(_ promise: EventLoopPromise<GatewayAnswer>, _ onPiece: (@Sendable () -> Void)?) {
            self.promise = promise
            self.onPiece = onPiece
            answer = GatewayAnswer()
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                answer.status = Int(head.status.code)
                for header in head.headers { answer.headers[header.name.lowercased()] = header.value }
            case .body(let bytes):
                bytes.withUnsafeReadableBytes { answer.body.append(contentsOf: $0) }
                answer.pieces += 1
                onPiece?()
            case .end:
                answer.isWhole = true
                settle()
            }
        }

        func channelInactive(context: ChannelHandlerContext) { settle() }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func settle() {
            promise?.succeed(answer)
            promise = nil
        }
    }
}

/// Questions that the tiny models know answers to.
enum Question {
    static func chat(
        _ text: String = "I was charged twice", stream: Bool = false, tokens: Int = 8, model: String = "triage"
    )
        -> String
    {
        """
        {"model":"\(model)","stream":\(stream),"max_tokens":\(tokens),"temperature":0,"messages":[\
        {"role":"system","content":"intent?"},{"role":"user","content":"\(text)"}]}
        """
    }
}
