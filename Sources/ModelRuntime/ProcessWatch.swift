internal import CProcess
internal import Glibc

/// A process of somebody else, held by a descriptor: its number can be given to another only once it is let go.
package struct ProcessWatch: ~Copyable {
    private let descriptor: Int32

    /// Nil where there is no such process.
    package init?(process: Int32) {
        descriptor = cprocess_open(process)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// Waits for its end at most for so many milliseconds; whether it has ended.
    package func hasEnded(within milliseconds: Int32) -> Bool {
        // Such a descriptor is readable once the process has ended.
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, milliseconds) > 0
    }

    /// Sends a signal; one that has ended gets none.
    package func send(_ signal: Int32) { _ = cprocess_signal(descriptor, signal) }
}
