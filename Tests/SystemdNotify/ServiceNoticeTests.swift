import Foundation
import Synchronization
import SystemdNotify
import TestSupport
import Testing

@Suite("What a service tells its manager")
struct ServiceNoticeTests {
    @Test("readiness, status and the end are told, to a path and to an abstract name", arguments: [false, true])
    func messages(isAbstract: Bool) throws {
        let folder = try TemporaryFolder("n")
        let address = isAbstract ? "@martlet-\(folder.path.hashValue)" : folder.file("notify")
        let listener = try NotifyListener(address)
        let notice = ServiceNotice(environment: ["NOTIFY_SOCKET": address])
        notice.ready("serves 2 slots\nREADY=0")
        #expect(listener.next() == "READY=1\nSTATUS=serves 2 slots READY=0")
        notice.status("waits")
        #expect(listener.next() == "STATUS=waits")
        notice.stopping()
        #expect(listener.next() == "STOPPING=1")
    }

    @Test(
        "the watchdog counts only where it is meant for this process",
        arguments: [
            (["WATCHDOG_USEC": "3000000"], Duration.seconds(3)),
            (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"], .seconds(3)),
            (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"], nil), (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "-5"], nil), (["WATCHDOG_USEC": "soon"], nil), ([:], nil),
        ] as [([String: String], Duration?)])
    func watchdog(variables: [String: String], expected: Duration?) {
        let environment = variables.merging(["NOTIFY_SOCKET": "/run/systemd/notify"]) { first, _ in first }
        #expect(ServiceNotice(environment: environment, pid: 7).watchdog == expected)
        #expect(ServiceNotice(environment: variables, pid: 7).watchdog == nil)
    }

    @Test("what lives is kept alive, and what says no is not")
    func keepAlive() async throws {
        let folder = try TemporaryFolder("n")
        let listener = try NotifyListener(folder.file("notify"))
        let notice = ServiceNotice(
            environment: ["NOTIFY_SOCKET": folder.file("notify"), "WATCHDOG_USEC": "30000"])
        let answers = Mutex([true, false, false, true])
        let beating = Task {
            await notice.keepAlive {
                answers.withLock { answers in
                    guard !answers.isEmpty else {
                        withUnsafeCurrentTask { $0?.cancel() }
                        return false
                    }
                    return answers.removeFirst()
                }
            }
        }
        await beating.value
        #expect(listener.next() == "WATCHDOG=1")
        #expect(listener.next() == "WATCHDOG=1")
        #expect(listener.next() == nil)
    }

    @Test(
        "nothing is told to nobody, and no bad address harms",
        arguments: ["", "relative", "@", "/", "/" + String(repeating: "x", count: 200), "/nonexistent/notify"])
    func nobody(address: String) async {
        let notice = ServiceNotice(environment: ["NOTIFY_SOCKET": address])
        notice.ready("ready")
        notice.stopping()
        await notice.keepAlive { true }
    }
}
