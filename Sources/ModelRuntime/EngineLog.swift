internal import Glibc
internal import MartletTypes
internal import Synchronization

/// The output of one engine: read from a pipe, written to a file that is rotated at a limit, its end kept for reports.
final class EngineLog: Sendable {
    private struct State {
        var file: Int32
        var written: Int
        var tail: [UInt8] = []
    }

    private let path: String
    private let limit: Int
    private let state: Mutex<State>

    /// Opens the file for appending, `0600`. Throws where it cannot be opened.
    init(path: String, limit: Int = RuntimeLimits.logBytes) throws(RuntimeError) {
        self.path = path
        self.limit = limit
        let file = Self.open(path)
        guard file >= 0 else {
            let reason = String(cString: strerror(errno))
            throw RuntimeError(
                .engineNotStarted, "The engine's log \(path) cannot be opened: \(reason).",
                remedy: "Check that the folder exists and can be written.")
        }
        state = Mutex(State(file: file, written: Self.size(file)))
    }

    deinit { close(state.withLock { $0.file }) }

    /// Takes over what is readable at `pipe` now. Returns false at its end.
    func take(from pipe: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = read(pipe, &buffer, buffer.count)
            if count > 0 {
                append(buffer[..<count])
            } else if count == 0 {
                return false
            } else if errno != EINTR {
                return errno == EAGAIN
            }
        }
    }

    /// The last lines, for people.
    var tail: String {
        let bytes = state.withLock { $0.tail }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func append(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            state.tail += bytes
            if state.tail.count > RuntimeLimits.logTailBytes {
                state.tail.removeFirst(state.tail.count - RuntimeLimits.logTailBytes)
            }
            if state.written + bytes.count > limit { rotate(&state) }
            // A full disk loses the log and not the engine; the tail stays in memory.
            let count = bytes.withUnsafeBytes { write(state.file, $0.baseAddress, $0.count) }
            if count > 0 { state.written += count }
        }
    }

    private func rotate(_ state: inout State) {
        rename(path, path + ".1")
        let file = Self.open(path)
        guard file >= 0 else { return }
        close(state.file)
        state.file = file
        state.written = Self.size(file)
    }

    /// For appending: the engine that takes over writes to the same file for a while.
    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_APPEND, 0o600)
    }

    private static func size(_ file: Int32) -> Int {
        var info = stat()
        return fstat(file, &info) == 0 ? Int(info.st_size) : 0
    }
}
