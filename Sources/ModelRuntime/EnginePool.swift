internal import MartletTypes
internal import NIOCore

/// The connections to engines that wait for the next request. Lives on the event loop.
///
/// An engine that is told to end waits for its idle connections, and one with few threads gives each connection one of
/// them: so few are kept, for a short time, and none to an engine that the gateway does not lead to any more.
final class EnginePool {
    private let loop: any EventLoop
    private var idle = IdleConnections<EngineConnection>(
        bound: RuntimeLimits.idleConnections, time: .seconds(RuntimeLimits.idleConnectionSeconds))
    private var timer: Scheduled<Void>?

    init(loop: any EventLoop) { self.loop = loop }

    /// A connection that an earlier request left.
    func take(_ route: GatewayRoute) -> EngineConnection? { idle.take(route, at: now) }

    /// Keeps a connection whose answer is whole. False where it is to be closed.
    func keep(_ connection: EngineConnection) -> Bool {
        guard idle.keep(connection, connection.route, at: now) else { return false }
        if timer == nil { watch() }
        return true
    }

    /// The connection is over.
    func forget(_ connection: EngineConnection) { idle.forget(connection) }

    /// Closes what is kept for a slot, or for one of its generations.
    func close(_ slot: SlotName, generation: Int? = nil) {
        for connection in idle.remove(slot, generation: generation) { connection.close() }
    }

    /// Closes what is kept.
    func closeAll() {
        timer?.cancel()
        timer = nil
        for connection in idle.removeAll() { connection.close() }
    }

    private var now: Duration { .nanoseconds(Int64(NIODeadline.now().uptimeNanoseconds)) }

    /// One timer for all, which is not touched by requests: it only runs while something is kept.
    private func watch() {
        guard let end = idle.nextEnd else { return }
        timer = loop.assumeIsolated().scheduleTask(in: TimeAmount(end - now)) {
            self.timer = nil
            for connection in self.idle.ended(at: self.now) { connection.close() }
            self.watch()
        }
    }
}
