import Foundation
import Glibc
import Synchronization

/// A program that was started, straight by `posix_spawn`: Foundation's `Process` crashes now and then where many are
/// started at once, and takes all tests of the run with it.
final class ChildProcess: Sendable {
    /// Its process id.
    let pid: pid_t
    private let end = End()
    private let waiter: Task<Int32, Never>

    /// How it ended, for who only looks.
    private final class End: Sendable {
        let code = Mutex<Int32?>(nil)
    }

    /// The environment that children get, read once: the C library's is no thing to read while another thread sets it.
    static let inherited = ProcessInfo.processInfo.environment

    /// Starts `executable` in a process group of its own, with nothing open but its output and errors.
    init(
        _ executable: String, _ arguments: [String], environment: [String: String], output: String, errors: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o644)
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
    var exitCode: Int32? { end.code.withLock { $0 } }

    /// Waits for its end.
    func wait() async -> Int32 { await waiter.value }
}
