import ServiceLifecycle
package import SystemdNotify

/// Stays in the favour of the service manager's watchdog for as long as the agent works, and tells it of the end.
///
/// What must turn is what serves: the actor that drives the slots, the gateway's event loop and the thread that watches
/// engines. The registry, the disk and the engines may all be away: that is no reason to end what serves.
package struct Liveness: Service {
    private let notice: ServiceNotice
    private let beforeEnd: @Sendable () async -> Void
    private let isAlive: @Sendable () async -> Bool

    /// `isAlive` comes back with true while the agent works, and does not come back where it is stuck. `beforeEnd` is
    /// awaited when the agent was asked to end, before what stands before this service is asked to.
    package init(
        notice: ServiceNotice, beforeEnd: @escaping @Sendable () async -> Void = {},
        isAlive: @escaping @Sendable () async -> Bool
    ) {
        self.notice = notice
        self.beforeEnd = beforeEnd
        self.isAlive = isAlive
    }

    package func run() async throws {
        await withGracefulShutdownHandler {
            await cancelWhenGracefulShutdown { await notice.keepAlive(isAlive) }
            do {
                try await gracefulShutdown()
            } catch {
                // Cancelled: the agent ends at once.
                return
            }
            await beforeEnd()
        } onGracefulShutdown: {
            notice.stopping()
        }
    }
}
