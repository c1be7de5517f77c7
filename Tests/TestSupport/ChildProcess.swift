public import Foundation
import Glibc
import Synchronization

/// A program that was started, straight by `posix_spawn`: Foundation's `Process` crashes now and then where many are
/// started at once, and takes all tests of the run with it.
public final class ChildProcess: Sendable {
    /// Where one of a child's first three descriptors leads.
    public enum Stream: Sendable {
        /// Nothing is read, and what is written is lost.
        case nothing
        /// A file, which is appended to.
        case file(String)
        /// A descriptor of this process, which keeps its own copy.
        case descriptor(Int32)
    }

    /// Its process id.
    public let pid: Int32
    private let end = End()
    private let waiter: Task<Int32, Never>

    /// How it ended, for who only looks.
    private final class End: Sendable {
        let code = Mutex<Int32?>(nil)
    }

    /// The environment that children get, read once: the C library's is no thing to read while another thread sets it.
    static let inherited = ProcessInfo.processInfo.environment

    /// Starts `executable` in a process group of its own, with nothing open but its input, output and errors.
    public init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], input: Stream = .nothing,
        output: Stream, errors: Stream
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, stream) in [(Int32(0), input), (1, output), (2, errors)] {
            switch stream {
            case .nothing: posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0)
            case .file(let path):
                posix_spawn_file_actions_addopen(&actions, target, path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
            case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, target)
            }
        }
        Self.keepToOurselves()
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))

        let variables = Self.inherited.merging(environment) { $1 }.map { "\($0.key)=\($0.value)" }
        var arguments = ([executable] + arguments).map { strdup($0) } + [nil]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &actions, &attributes, &arguments, &environment)
        guard code == 0 else {
            throw NeverTrue(description: "\(executable) does not start: \(String(cString: strerror(code)))")
        }
        self.pid = pid
        let child = pid
        // A thread of its own waits, so that no thread of the tests' pool does.
        waiter = Task { [end] in
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    var status: Int32 = 0
                    while waitpid(child, &status, 0) == -1, errno == EINTR {}
                    // As a shell says it: 128 and the signal's number.
                    let signal = status & 0x7f
                    let code = signal == 0 ? (status >> 8) & 0xff : 128 + signal
                    end.code.withLock { $0 = code }
                    continuation.resume(returning: code)
                }
            }
        }
    }

    /// Marks all that is open here to be closed in children: sockets and files of other tests are nothing for them.
    private static func keepToOurselves() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for descriptor in names.compactMap({ Int32($0) }) where descriptor > 2 {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    /// Its exit code; nil while it runs.
    public var exitCode: Int32? { end.code.withLock { $0 } }

    /// Waits for its end.
    @discardableResult
    public func wait() async -> Int32 { await waiter.value }

    /// Asks it to end; harmless after its end.
    public func terminate() { if exitCode == nil { kill(pid, SIGTERM) } }

    /// A pipe whose ends no child gets but by `Stream.descriptor`. Whoever makes it closes both.
    public static func pipe() throws -> (reading: FileHandle, writing: FileHandle) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw NeverTrue(description: "no pipe: \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (
            FileHandle(fileDescriptor: ends[0], closeOnDealloc: true),
            FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        )
    }
}
