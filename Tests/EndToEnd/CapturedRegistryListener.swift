import Foundation
import HTTPTypes
import MartletTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import Trust

/// The captured registry on the address that devices know, with a certificate of the captured authority.
final class CapturedRegistryListener: Sendable {
    private let channel: any Channel
    private let connections: Connections

    /// What devices hold open.
    private final class Connections: Sendable {
        let all = Mutex<[any Channel]>([])
    }

    private init(_ channel: any Channel, _ connections: Connections) {
        self.channel = channel
        self.connections = connections
    }

    /// Listens at `HOST:PORT`.
    static func start(_ registry: CapturedRegistry, at address: String) async throws -> CapturedRegistryListener {
        let parts = address.split(separator: ":")
        let (host, port) = (String(parts[0]), Int(parts[1]) ?? 0)
        let key = try KeyPair.generate(.ecdsaP256)
        let certificate = try registry.keys.authority.issueServer(
            key: key, hosts: [host], now: .now, valid: .seconds(86_400))
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key.pem(), format: .pem)))
        configuration.shutdownTimeout = .milliseconds(200)
        let context = try NIOSSLContext(configuration: configuration)
        let connections = Connections()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                connections.all.withLock { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: context))
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(CapturedRegistryHandler(registry))
                }
            }
            .bind(host: host, port: port).get()
        return CapturedRegistryListener(channel, connections)
    }

    /// Gives the address up and cuts every connection: one that stays alive would go on asking this registry.
    func stop() async throws {
        try await channel.close()
        for connection in connections.all.withLock({ $0 }) { connection.close(promise: nil) }
    }
}

/// Collects a request, has it answered, and writes the answer.
private final class CapturedRegistryHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart

    private let registry: CapturedRegistry
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []

    init(_ registry: CapturedRegistry) { self.registry = registry }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let buffer): body += buffer.readableBytesView
        case .end:
            guard let head else { return }
            var fields = HTTPFields()
            for (name, value) in head.headers {
                if let name = HTTPField.Name(name) { fields[name] = value }
            }
            let path = head.uri.split(separator: "?").first.map(String.init) ?? ""
            let request = CapturedRegistry.Request(
                method: .init(rawValue: head.method.rawValue) ?? .get, path: path.removingPercentEncoding ?? path,
                target: head.uri, fields: fields, body: body)
            Self.respond(to: request, of: registry, on: context.channel)
        }
    }

    private static func respond(
        to request: CapturedRegistry.Request, of registry: CapturedRegistry, on channel: any Channel
    ) {
        Task {
            do {
                try await write(await registry.answer(request), channel)
            } catch {
                // The device hung up on an answer that it did not want.
                channel.close(promise: nil)
            }
        }
    }

    private static func write(_ answer: CapturedRegistry.Answer, _ channel: any Channel) async throws {
        var headers = HTTPHeaders(answer.fields.map { ($0.name.rawName, $0.value) })
        if case .bytes(let bytes) = answer.body, answer.status != 204 {
            headers.replaceOrAdd(name: "Content-Length", value: String(bytes.count))
        } else if answer.status == 404 {
            headers.replaceOrAdd(name: "Content-Length", value: "0")
        }
        let status = HTTPResponseStatus(statusCode: answer.status)
        try await channel.writeAndFlush(
            HTTPServerResponsePart.head(.init(version: .http1_1, status: status, headers: headers)))
        switch answer.body {
        case .bytes(let bytes): try await write(bytes, channel)
        case .endless(let bytes):
            try await write(bytes, channel)
            let more = [UInt8](repeating: UInt8(ascii: " "), count: 64 * 1024)
            while channel.isActive { try await write(more, channel) }
        case .absent: break
        }
        try await channel.writeAndFlush(HTTPServerResponsePart.end(nil))
    }

    private static func write(_ bytes: [UInt8], _ channel: any Channel) async throws {
        guard !bytes.isEmpty else { return }
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes))))
    }
}
