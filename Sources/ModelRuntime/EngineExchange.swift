internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

/// One request to an engine over its UNIX socket and the whole answer: one connection each, because an engine that is
/// told to end waits for idle connections.
enum EngineExchange {
    /// What the engine answered.
    struct Answer: Sendable {
        let status: Int
        let body: [UInt8]
    }

    private enum Failure: Error { case timeout, tooLarge, closed }

    /// Sends and waits. Throws `engineUnreachable`, `engineTimeout`, `engineAnswer` (too large), and ends the exchange
    /// when the task is cancelled.
    static func send(
        socketPath: String, method: String, path: String, body: [UInt8] = [], timeout: Duration
    ) async throws(RuntimeError) -> Answer {
        guard socketPath.utf8.count <= RuntimeLimits.socketPathBytes else { throw .socketPathTooLong(socketPath) }
        let loop = RuntimeLoop.loop
        let promise = loop.makePromise(of: Answer.self)
        let request = Request(
            method: HTTPMethod(rawValue: method), path: path, body: body, timeout: TimeAmount(timeout))
        let open = dial(socketPath, loop, request, promise)
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                open.whenSuccess { $0.close(promise: nil) }
            }
        } catch Failure.timeout {
            throw RuntimeError(
                .engineTimeout, "The engine at \(socketPath) took more than \(timeout) for \(path).", fault: .peer)
        } catch Failure.tooLarge {
            throw RuntimeError(
                .engineAnswer, "The engine's answer to \(path) has more than \(RuntimeLimits.answerBytes) bytes.",
                fault: .peer)
        } catch {
            throw RuntimeError(
                .engineUnreachable, "The engine at \(socketPath) could not be asked for \(path): \(error).",
                fault: .transport)
        }
    }

    private struct Request: Sendable {
        let method: HTTPMethod
        let path: String
        let body: [UInt8]
        let timeout: TimeAmount
    }

    /// Apart from its caller and never inlined: in an async function this bootstrap takes minutes to optimise.
    @inline(never)
    private static func dial(
        _ socketPath: String, _ loop: any EventLoop, _ request: Request, _ promise: EventLoopPromise<Answer>
    ) -> EventLoopFuture<any Channel> {
        let open = ClientBootstrap(group: loop)
            .connectTimeout(request.timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                    try pipeline.addHandler(Collector(request: request, promise: promise))
                }
            }
            .connect(unixDomainSocketPath: socketPath)
        open.whenFailure { promise.fail($0) }
        return open
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias OutboundOut = HTTPClientRequestPart

        private let request: Request
        private var promise: EventLoopPromise<Answer>?
        private var status = 0
        private var body: [UInt8] = []
        private var deadline: Scheduled<Void>?

        init(request: Request, promise: EventLoopPromise<Answer>) {
            self.request = request
            self.promise = promise
        }

        func channelActive(context: ChannelHandlerContext) {
            var headers: HTTPHeaders = ["host": "localhost", "connection": "close"]
            if request.method != .GET {
                headers.add(name: "content-type", value: "application/json")
                headers.add(name: "content-length", value: String(request.body.count))
            }
            let head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.path, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            if !request.body.isEmpty {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: request.body)))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            deadline = context.eventLoop.assumeIsolated().scheduleTask(in: request.timeout) {
                self.finish(.failure(Failure.timeout), context)
            }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): status = Int(head.status.code)
            case .body(let bytes):
                guard body.count + bytes.readableBytes <= RuntimeLimits.answerBytes else {
                    return finish(.failure(Failure.tooLarge), context)
                }
                bytes.withUnsafeReadableBytes { body.append(contentsOf: $0) }
            case .end: finish(.success(Answer(status: status, body: body)), context)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { finish(.failure(error), context) }

        func channelInactive(context: ChannelHandlerContext) { finish(.failure(Failure.closed), context) }

        private func finish(_ result: Result<Answer, any Error>, _ context: ChannelHandlerContext) {
            deadline?.cancel()
            deadline = nil
            guard let promise else { return }
            self.promise = nil
            promise.completeWith(result)
            context.close(promise: nil)
        }
    }
}
