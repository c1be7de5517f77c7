internal import Glibc

/// What a service tells the manager that started it, by the protocol of sd_notify(3): datagrams of `KEY=value` lines to
/// the socket that `$NOTIFY_SOCKET` names.
///
/// Without such a socket nothing is told. What cannot be delivered is dropped: no service fails for want of a listener.
package struct ServiceNotice: Sendable {
    /// The socket: a path, or a name with a leading `@` (sd_notify's way to write the null byte of abstract sockets).
    private let address: String?
    /// After how long a silence the manager ends this process; nil where it does not watch.
    package let watchdog: Duration?

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of the process's environment. The watchdog's variables
    /// count only where they are meant for this process (sd_watchdog_enabled(3)).
    package init(environment: [String: String], pid: Int32 = getpid()) {
        let socket = environment["NOTIFY_SOCKET"] ?? ""
        let isAddress = socket.utf8.count > 1 && (socket.hasPrefix("/") || socket.hasPrefix("@"))
        address = isAddress && socket.utf8.count < Self.addressBytes ? socket : nil
        let isMeant = environment["WATCHDOG_PID"].map { $0 == "\(pid)" } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap(Int64.init) ?? 0
        watchdog = address != nil && isMeant && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    /// The service answers now.
    package func ready(_ status: String) { tell(["READY=1", Self.line(status)]) }

    /// The service ends because it was asked to.
    package func stopping() { tell(["STOPPING=1"]) }

    /// One line for people (`systemctl status`).
    package func status(_ status: String) { tell([Self.line(status)]) }

    /// Sends the watchdog's keep-alive after each check that came to an end and was true, three times within its
    /// patience, until the task is cancelled. A check that hangs, or says no until the patience is over, ends the
    /// process: that is what the watchdog is for. Returns at once where nobody watches.
    package func keepAlive(_ isAlive: @Sendable () async -> Bool) async {
        guard let watchdog else { return }
        while !Task.isCancelled {
            if await isAlive() { tell(["WATCHDOG=1"]) }
            do {
                try await Task.sleep(for: watchdog / Self.beats)
            } catch {
                return
            }
        }
    }

    /// A status is one line; what would begin another is a space.
    private static func line(_ status: String) -> String {
        "STATUS=" + String(status.map { $0.isNewline ? " " : $0 })
    }

    private func tell(_ lines: [String]) {
        guard let address else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { bytes in
            bytes.copyBytes(from: address.utf8)
            if address.hasPrefix("@") { bytes[0] = 0 }
        }
        // An abstract name ends where the address ends, so the length counts.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.utf8.count)
        let message = Array(lines.joined(separator: "\n").utf8)
        _ = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                // A manager that does not read must not hold the service up.
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), $0, length)
            }
        }
    }

    /// `sun_path` of an address, less its final zero.
    private static let addressBytes = 108
    /// Keep-alives within one patience: one may be late, and still nobody is ended.
    private static let beats = 3
}
