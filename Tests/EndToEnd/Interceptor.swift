import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport
import Trust

/// Somebody in the middle of the network who ends TLS with a certificate of their own, reads, and passes all on to the
/// registry, changed or not.
final class Interceptor: Sendable {
    /// What the attacker shows to who connects.
    struct Mask: Sendable {
        let certificate: [UInt8]
        let key: KeyPair

        /// A certificate for 127.0.0.1 by an authority of the attacker's, which calls itself what it likes.
        static func ownAuthority(named name: String) throws -> Mask {
            let authority = try CertificateAuthority.make(
                name: name, key: try KeyPair.generate(.ecdsaP256), now: .now, valid: .seconds(86_400))
            let key = try KeyPair.generate(.ecdsaP256)
            let certificate = try authority.issueServer(
                key: key, hosts: ["127.0.0.1"], now: .now, valid: .seconds(86_400))
            return Mask(certificate: certificate + authority.certificatePEM, key: key)
        }

        init(certificate: [UInt8], key: KeyPair) { (self.certificate, self.key) = (certificate, key) }
    }

    private final class Record: Sendable {
        let text = Mutex("")
        let open = Mutex<[any Channel]>([])
        /// What stands in place of what in the registry's answers; of the same length.
        let forgery = Mutex<(String, String)?>(nil)
    }

    private let channel: any Channel
    private let record: Record

    private init(_ channel: any Channel, _ record: Record) { (self.channel, self.record) = (channel, record) }

    /// Listens on a port of this machine and passes on to another.
    static func start(at port: Int, leading target: Int, mask: Mask) async throws -> Interceptor {
        var server = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(mask.certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: mask.key.pem(), format: .pem)))
        server.signingSignatureAlgorithms = [.ed25519, .ecdsaSecp256R1Sha256]
        server.shutdownTimeout = .milliseconds(200)
        var client = TLSConfiguration.makeClientConfiguration()
        client.certificateVerification = .none
        client.shutdownTimeout = .milliseconds(200)
        let (front, back) = (try NIOSSLContext(configuration: server), try NIOSSLContext(configuration: client))
        let record = Record()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { child in
                record.open.withLock { $0.append(child) }
                return ClientBootstrap(group: child.eventLoop)
                    .channelInitializer { behind in
                        behind.eventLoop.makeCompletedFuture {
                            let handler = try NIOSSLClientHandler(context: back, serverHostname: nil)
                            try behind.pipeline.syncOperations.addHandlers(
                                handler, Passage(to: child, record, isAnswer: true))
                        }
                    }
                    .connect(host: "127.0.0.1", port: target)
                    .flatMap { behind in
                        child.eventLoop.makeCompletedFuture {
                            try child.pipeline.syncOperations.addHandlers(
                                NIOSSLServerHandler(context: front), Passage(to: behind, record, isAnswer: false))
                        }
                    }
            }
            .bind(host: "127.0.0.1", port: port).get()
        return Interceptor(channel, record)
    }

    /// All that could be read of both directions.
    var read: String { record.text.withLock { $0 } }

    /// How many have connected.
    var connections: Int { record.open.withLock { $0.count } }

    /// Puts one text in place of another, as long, in what the registry answers from now on.
    func forge(_ text: String, as other: String) { record.forgery.withLock { $0 = (text, other) } }

    /// Gives the port up, and every connection.
    func stop() async throws {
        try await channel.close()
        for connection in record.open.withLock({ $0 }) { connection.close(promise: nil) }
    }

    /// Passes plain bytes to the other side and keeps what it saw.
    private final class Passage: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let other: any Channel
        private let record: Record
        private let isAnswer: Bool

        init(to other: any Channel, _ record: Record, isAnswer: Bool) {
            (self.other, self.record, self.isAnswer) = (other, record, isAnswer)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var buffer = unwrapInboundIn(data)
            let text = String(decoding: buffer.readableBytesView, as: UTF8.self)
            record.text.withLock { $0 += text }
            if isAnswer, let (from, to) = record.forgery.withLock({ $0 }), text.contains(from) {
                buffer = ByteBuffer(string: text.replacing(from, with: to))
            }
            other.writeAndFlush(buffer, promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            other.close(promise: nil)
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
