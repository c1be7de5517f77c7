import NIOCore
import NIOPosix
import Synchronization

/// A stand-in for an engine, for faults that a real one cannot be made to show: it answers each request by a script.
final class ScriptedEngine: Sendable {
    enum Step: Sendable {
        /// Sends these bytes.
        case send(String)
        /// Sends one piece after the other for as long as they are taken.
        case sendForEver(String)
        /// Closes the connection.
        case close
    }

    private struct State {
        var requests: [String] = []
        var closed = 0
        var accepted = 0
        var sentBytes = 0
        var open: [any Channel] = []
    }

    private let state = Mutex(State())
    private let script: @Sendable (Int) -> [Step]
    private let server = Mutex<(any Channel)?>(nil)

    /// `script` is given the number of the request, from 1. After its last step the connection is left open and silent.
    init(_ script: @escaping @Sendable (Int) -> [Step]) { self.script = script }

    var requests: [String] { state.withLock { $0.requests } }
    /// Connections that ended, by whichever side.
    var closed: Int { state.withLock { $0.closed } }
    /// Connections that were made.
    var accepted: Int { state.withLock { $0.accepted } }
    /// Connections that stand.
    var openCount: Int { state.withLock { $0.open.count } }
    /// Bytes of endless answers that were handed to the kernel.
    var sentBytes: Int { state.withLock { $0.sentBytes } }

    func listen(_ path: String) async throws {
        let channel = try await ServerBootstrap(group: GatewayClient.group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(engine: self))
                }
            }
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        server.withLock { $0 = channel }
    }

    /// Goes on with the answers that are left open.
    func goOn(_ text: String, close: Bool = false) {
        for channel in state.withLock({ $0.open }) {
            channel.writeAndFlush(ByteBuffer(string: text)).whenComplete { _ in if close { channel.close(promise: nil) }
            }
        }
    }

    func stop() async throws {
        try await server.withLock { $0 }?.close().get()
        for channel in state.withLock({ $0.open }) { try? await channel.close().get() }
    }

    static func json(_ body: String, status: String = "200 OK") -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    static let streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    static func chunk(_ text: String) -> String { String(text.utf8.count, radix: 16) + "\r\n\(text)\r\n" }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let engine: ScriptedEngine
        private var received = ""
        private var endless: ByteBuffer?

        init(engine: ScriptedEngine) { self.engine = engine }

        func channelActive(context: ChannelHandlerContext) {
            let channel = context.channel
            engine.state.withLock { state in
                state.accepted += 1
                state.open.append(channel)
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            let channel = context.channel
            engine.state.withLock { state in
                state.closed += 1
                state.open.removeAll { $0 === channel }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += String(buffer: unwrapInboundIn(data))
            guard isWhole else { return }
            let number = engine.state.withLock { state in
                state.requests.append(received)
                return state.requests.count
            }
            received = ""
            for step in engine.script(number) {
                switch step {
                case .send(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
                case .sendForEver(let text):
                    endless = ByteBuffer(string: text)
                    sendMore(context)
                case .close: context.close(promise: nil)
                }
            }
        }

        private func sendMore(_ context: ChannelHandlerContext) {
            guard let endless else { return }
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.writeAndFlush(wrapOutboundOut(endless)).whenSuccess {
                let (handler, context) = bound.value
                handler.engine.state.withLock { $0.sentBytes += endless.readableBytes }
                context.eventLoop.execute { bound.value.0.sendMore(bound.value.1) }
            }
        }

        private var isWhole: Bool {
            let parts = received.components(head: "\r\n\r\n")
            guard let body = parts.body else { return false }
            let length =
                parts.head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst("content-length:".count).drop { $0 == " " }) } ?? 0
            return body.utf8.count >= length
        }
    }
}

extension String {
    /// What is before and after the first `mark`.
    func components(head mark: String) -> (head: Substring, body: Substring?) {
        guard let range = self.firstRange(of: mark) else { return (self[...], nil) }
        return (self[..<range.lowerBound], self[range.upperBound...])
    }
}
