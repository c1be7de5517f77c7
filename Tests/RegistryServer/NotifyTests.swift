import Foundation
import MartletTypes
import RegistryServer
import Synchronization
import SystemdNotify
import TestSupport
import Testing

@Suite("What the registry tells its service manager")
struct NotifyTests {
    @Test("it is ready once both listeners are bound, is kept alive while it works, and says when it ends")
    func notify() async throws {
        let folder = try TemporaryFolder("n")
        let listener = try NotifyListener(folder.file("notify"))
        let notice = ServiceNotice(
            environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "300000"])
        let clock = TestClock()
        let app = RegistryApp(
            configuration: RegistryConfiguration(
                dataFolder: folder.file("data"), operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
                deviceAddress: ListenAddress(host: "127.0.0.1", port: 0), clock: { clock.now }, notice: notice,
                announce: { _ in }))
        let running = Task { try await app.run(handlingSignals: false) }
        let heard = Mutex<Set<String>>([])
        /// All that was said so far, each message's first line.
        let messages: @Sendable () -> Set<String> = {
            heard.withLock { heard in
                while let message = listener.next() { heard.insert(String(message.prefix { $0 != "\n" })) }
                return heard
            }
        }
        try await eventually(within: 60, "it is ready and lives") {
            messages().isSuperset(of: ["READY=1", "WATCHDOG=1"])
        }
        #expect(FileManager.default.fileExists(atPath: folder.file("data/run/addresses.json")))
        await app.stop()
        try await running.value
        #expect(messages().contains("STOPPING=1"))
    }
}
