import NIOCore
import NIOPosix
import Synchronization

/// A request as it came in, read by hand so that nothing is hidden.
struct RecordedRequest: Sendable {
    let method: String
    let target: String
    /// Names in lower case.
    let fields: [String: String]
    let body: [UInt8]
}

/// What the server does with one request, in order.
enum Step: Sendable {
    case send([UInt8])
    /// Sends zeros until the connection breaks.
    case sendForEver
    /// Sends one byte after the other, a hundred in a second, until the connection breaks.
    case drip
    case close
    /// Leaves the connection open and silent.
    case hang

    static func text(_ text: String) -> Step { .send(Array(text.utf8)) }

    /// A whole answer with its length.
    static func answer(_ status: String, fields: [(String, String)] = [], body: [UInt8] = []) -> Step {
        let lines = fields.map { "\($0.0): \($0.1)\r\n" }.joined()
        return .send(Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.count)\r\n\(lines)\r\n".utf8) + body)
    }
}

/// An HTTP/1.1 server on a port of its own that does exactly what a test says, mistakes included.
final class ScriptedServer: Sendable {
    let port: Int
    private let channel: any Channel
    private let log: Log

    final class Log: Sendable {
        let requests = Mutex<[RecordedRequest]>([])
    }

    var origin: String { "http://127.0.0.1:\(port)" }
    var requests: [RecordedRequest] { log.requests.withLock { $0 } }

    init(_ script: @escaping @Sendable (RecordedRequest, Int) -> [Step]) async throws {
        let log = Log()
        self.log = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ScriptHandler(log: log, script: script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func stop() async throws { try await channel.close() }
}

private final class ScriptHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let log: ScriptedServer.Log
    private let script: @Sendable (RecordedRequest, Int) -> [Step]
    private var pending: [UInt8] = []
    private var isEndless = false

    init(log: ScriptedServer.Log, script: @escaping @Sendable (RecordedRequest, Int) -> [Step]) {
        self.log = log
        self.script = script
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        pending += Array(unwrapInboundIn(data).readableBytesView)
        while let request = nextRequest() {
            let number = log.requests.withLock {
                $0.append(request)
                return $0.count
            }
            for step in script(request, number) { take(step, context) }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { pump(context) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func take(_ step: Step, _ context: ChannelHandlerContext) {
        switch step {
        case .send(let bytes): context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        case .sendForEver:
            isEndless = true
            pump(context)
        case .drip:
            let loop = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(10)) { task in
                let context = loop.value
                guard context.channel.isActive else { return task.cancel() }
                context.channel.writeAndFlush(ByteBuffer(bytes: [0x20]), promise: nil)
            }
        case .close: context.close(promise: nil)
        case .hang: break
        }
    }

    private func pump(_ context: ChannelHandlerContext) {
        while isEndless, context.channel.isActive, context.channel.isWritable {
            let zeros = ByteBuffer(repeating: 0, count: 65_536)
            context.writeAndFlush(wrapOutboundOut(zeros), promise: nil)
        }
    }

    private func nextRequest() -> RecordedRequest? {
        guard let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: pending[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let first = lines[0].split(separator: " ")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            fields[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
        }
        let length = fields["content-length"].flatMap { Int($0) } ?? 0
        guard pending.count >= end.upperBound + length else { return nil }
        let body = Array(pending[end.upperBound..<end.upperBound + length])
        pending.removeFirst(end.upperBound + length)
        return RecordedRequest(method: String(first[0]), target: String(first[1]), fields: fields, body: body)
    }
}
