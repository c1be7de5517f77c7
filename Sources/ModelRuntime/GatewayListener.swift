internal import Glibc
internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// The listening sockets of the gateway and the connections that came in through them.
final class GatewayListener: Sendable {
    private let configuration: GatewayConfiguration
    private let core: GatewayCore
    private let loop: any EventLoop
    private let floor: NIOLoopBoundBox<GatewayFloor>

    init(configuration: GatewayConfiguration, core: GatewayCore) {
        self.configuration = configuration
        self.core = core
        loop = RuntimeLoop.loop
        floor = NIOLoopBoundBox.makeBoxSendingValue(
            GatewayFloor(bound: configuration.connections), eventLoop: loop)
    }

    /// Opens the port and the UNIX socket. Returns the port.
    func listen() async throws(RuntimeError) -> Int {
        guard configuration.isLoopback || !configuration.apiKeys.isEmpty else {
            throw RuntimeError(
                .keysRequired, "The gateway would listen on \(configuration.host) without keys.",
                remedy: "Listen on 127.0.0.1, or set keys for the gateway.", fault: .caller)
        }
        if let path = configuration.unixSocketPath { try prepare(path) }
        let tcp = try await opened("port \(configuration.port) on \(configuration.host)") {
            self.bootstrap(isLocalSocket: false).bind(host: self.configuration.host, port: self.configuration.port)
        }
        if let path = configuration.unixSocketPath {
            do throws(RuntimeError) {
                _ = try await opened(path) {
                    self.bootstrap(isLocalSocket: true).bind(unixDomainSocketPath: path)
                }
            } catch {
                await stop(within: .zero)
                throw error
            }
        }
        return tcp.localAddress?.port ?? 0
    }

    /// Takes no more connections; waits until the present ones are over, and ends them at the deadline.
    func stop(within deadline: Duration) async {
        let floor = floor
        let over = loop.makePromise(of: Void.self)
        loop.execute {
            floor.value.finishUp(over)
        }
        let timer = loop.scheduleTask(in: TimeAmount(deadline)) { floor.value.closeAll() }
        await withCheckedContinuation { continuation in
            over.futureResult.whenComplete { _ in continuation.resume() }
        }
        timer.cancel()
        if let path = configuration.unixSocketPath { unlink(path) }
    }

    private func opened(
        _ what: String, _ bind: () -> EventLoopFuture<any Channel>
    ) async throws(RuntimeError) -> any Channel {
        do {
            let channel = try await bind().get()
            let floor = floor
            try await loop.submit { floor.value.listeners.append(channel) }.get()
            return channel
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw RuntimeError(
                .portInUse, "The gateway cannot listen on \(what): another program does.",
                remedy: "End that program or configure another port.")
        } catch {
            throw RuntimeError(
                .cannotListen, "The gateway cannot listen on \(what): \(error).",
                remedy: "Configure an address of this machine and a port that this user may open.")
        }
    }

    /// Removes a socket that nobody serves any more.
    private func prepare(_ path: String) throws(RuntimeError) {
        guard path.utf8.count <= RuntimeLimits.socketPathBytes else { throw .socketPathTooLong(path) }
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        guard info.st_mode & S_IFMT == S_IFSOCK, UnixSocket.peer(at: path) == nil else {
            throw RuntimeError(
                .portInUse, "The gateway cannot listen on \(path): it is in use.",
                remedy: "End the program that uses it or configure another path.")
        }
        unlink(path)
    }

    private func bootstrap(isLocalSocket: Bool) -> ServerBootstrap {
        let (core, floor, silence) = (core, floor, TimeAmount(configuration.clientSilence))
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let gate = AcceptGate()
                    floor.value.gates.append(gate)
                    gate.floor = floor.value
                    try channel.pipeline.syncOperations.addHandler(gate)
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(readTimeout: silence))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    let connection = ClientConnection(core: core, isLocalSocket: isLocalSocket)
                    try pipeline.addHandler(connection)
                    floor.value.add(connection)
                    let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
                    channel.closeFuture.whenComplete { _ in floor.value.remove(bound.value) }
                }
            }
    }
}

/// The connections that are open now. Lives on the event loop.
final class GatewayFloor {
    var listeners: [any Channel] = []
    var gates: [AcceptGate] = []
    private let bound: Int
    private var connections: [ObjectIdentifier: ClientConnection] = [:]
    private var over: EventLoopPromise<Void>?

    init(bound: Int) { self.bound = bound }

    var hasRoom: Bool { connections.count < bound }

    func add(_ connection: ClientConnection) {
        connections[ObjectIdentifier(connection)] = connection
        if over != nil { connection.finishUp() }
    }

    func remove(_ connection: ClientConnection) {
        connections[ObjectIdentifier(connection)] = nil
        for gate in gates { gate.goOn() }
        endIfEmpty()
    }

    /// Takes no more; `over` is told when nobody is left.
    func finishUp(_ over: EventLoopPromise<Void>) {
        self.over = over
        for gate in gates { gate.floor = nil }
        gates = []
        for listener in listeners { listener.close(promise: nil) }
        for connection in connections.values { connection.finishUp() }
        endIfEmpty()
    }

    func closeAll() {
        for connection in connections.values { connection.close() }
    }

    private func endIfEmpty() {
        guard connections.isEmpty, let over else { return }
        over.succeed()
    }
}

/// Leaves new connections in the kernel while there are as many as there may be.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    var floor: GatewayFloor?
    private var waiting: ChannelHandlerContext?

    func read(context: ChannelHandlerContext) {
        guard floor?.hasRoom ?? true else {
            waiting = context
            return
        }
        context.read()
    }

    func goOn() {
        guard let context = waiting, floor?.hasRoom ?? true else { return }
        waiting = nil
        context.read()
    }

    func handlerRemoved(context: ChannelHandlerContext) { waiting = nil }
}
