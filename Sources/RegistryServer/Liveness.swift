import Logging
import NIOCore
import NIOPosix
import RegistryStore
import ServiceLifecycle
import SystemdNotify

/// Stays in the favour of the service manager's watchdog while the registry works, and tells it of the end: the event
/// loops turn and the database answers.
struct Liveness: Service {
    let core: RegistryCore
    let notice: ServiceNotice

    func run() async throws {
        await withGracefulShutdownHandler {
            await cancelWhenGracefulShutdown { await notice.keepAlive { await isAlive() } }
            do {
                try await gracefulShutdown()
            } catch {
                // Cancelled: the registry ends at once.
                return
            }
        } onGracefulShutdown: {
            notice.stopping()
        }
    }

    private func isAlive() async -> Bool {
        do {
            for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() { try await loop.submit {}.get() }
            _ = try await core.database.read { try RoleStore($0).currentVersion(of: "root") }
            return true
        } catch {
            core.logger.error("not kept alive", metadata: ["error": "\(error)"])
            return false
        }
    }
}
