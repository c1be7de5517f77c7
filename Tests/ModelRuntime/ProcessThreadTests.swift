import Glibc
import Synchronization
import Testing

@testable import ModelRuntime

@Suite("The thread that watches children")
struct ProcessThreadTests {
    /// What the watchers did.
    private final class Seen: Sendable {
        let replaced = Mutex<Int32?>(nil)
        let misled = Mutex(0)
    }

    /// The ends of a pipe, the first of them to read from.
    private static func pipe() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    /// As where a child's watcher closes the pipe of its output, and whoever starts the next child gets the number.
    @Test("what was found out about a descriptor is not told to whoever has its number afterwards")
    func reusedNumber() async throws {
        let thread = try #require(ProcessThread.shared)
        let (first, second, silent) = (try Self.pipe(), try Self.pipe(), try Self.pipe())
        for end in [first.1, second.1] { try #require(write(end, "x", 1) == 1) }
        let seen = Seen()
        @Sendable func watch(_ descriptor: Int32, besides other: Int32) {
            thread.watch(descriptor) {
                guard seen.replaced.withLock({ $0 == nil }) else { return .stop }
                thread.stopWatching(other)
                // Closes it and gives its number to the end of a pipe that is silent.
                dup2(silent.0, other)
                seen.replaced.withLock { $0 = other }
                thread.watch(other) {
                    seen.misled.withLock { $0 += 1 }
                    return .stop
                }
                return .stop
            }
        }
        // On the thread itself, so that both are found readable at once.
        await thread.run {
            watch(first.0, besides: second.0)
            watch(second.0, besides: first.0)
        }
        while seen.replaced.withLock({ $0 == nil }) { await Task.yield() }
        // Two more rounds.
        for _ in 0..<2 { await thread.run {} }
        #expect(seen.misled.withLock { $0 } == 0)
        await thread.run { seen.replaced.withLock { $0 }.map(thread.stopWatching) }
        for pipe in [first, second, silent] { for end in [pipe.0, pipe.1] { close(end) } }
    }
}
