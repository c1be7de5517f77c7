internal import CProcess
internal import Glibc

extension ForkLauncher {
    /// How deep below the run folder sockets are looked for: `SLOT/GENERATION/engine.sock`.
    private static let sweepDepth = 3
    /// How deep what engines left is removed.
    private static let clearedDepth = 8

    /// Removes sockets that nobody serves. A process that still serves one under our run folder was left by an earlier
    /// run (rare, because a killed agent takes its children along): it is ended if its command line names the socket.
    package func sweep() async {
        for socket in Self.sockets(in: runFolder, depth: Self.sweepDepth) {
            if let pid = UnixSocket.peer(at: socket) {
                guard pid != getpid(), Self.isServing(pid, socket) else { continue }
                await Self.end(pid)
            }
            unlink(socket)
        }
        Self.clear(runFolder, depth: Self.clearedDepth)
    }

    /// Removes what engines that were killed left in their folders, and the folders; one with a socket in it stays.
    private static func clear(_ folder: String, depth: Int) {
        guard depth > 0 else { return }
        visit(folder) { path, kind in
            switch kind {
            case S_IFSOCK: return
            case S_IFDIR:
                clear(path, depth: depth - 1)
                rmdir(path)
            default: unlink(path)
            }
        }
    }

    /// Removes sockets that nobody serves, and leaves the others.
    static func removeDeadSockets(in folder: String) {
        for socket in sockets(in: folder, depth: sweepDepth) where UnixSocket.peer(at: socket) == nil { unlink(socket) }
    }

    private static func sockets(in folder: String, depth: Int) -> [String] {
        guard depth > 0 else { return [] }
        var found: [String] = []
        visit(folder) { path, kind in
            switch kind {
            case S_IFSOCK where path.hasSuffix(".sock"): found.append(path)
            case S_IFDIR: found += sockets(in: path, depth: depth - 1)
            default: return
            }
        }
        return found
    }

    /// Every entry of a folder with its kind (`S_IFMT` of its mode); links are not followed.
    private static func visit(_ folder: String, _ body: (_ path: String, _ kind: mode_t) -> Void) {
        guard let directory = opendir(folder) else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            let path = "\(folder)/\(name)"
            var info = stat()
            if lstat(path, &info) == 0 { body(path, info.st_mode & S_IFMT) }
        }
    }

    private static func isServing(_ pid: Int32, _ socket: String) -> Bool {
        guard let line = ProcFile.bytes("/proc/\(pid)/cmdline") else { return false }
        return line.split(separator: 0).contains { $0.elementsEqual(socket.utf8) }
    }

    private static func end(_ pid: Int32) async {
        let descriptor = cprocess_open(pid)
        guard descriptor >= 0, let thread = ProcessThread.shared else { return }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            thread.watch(descriptor) {
                close(descriptor)
                continuation.resume()
                return .stop
            }
            // It serves nobody any more: its gateway is gone, so there is nothing to drain.
            _ = cprocess_signal(descriptor, SIGKILL)
        }
    }
}

/// Questions about UNIX sockets in the file system.
enum UnixSocket {
    /// The process that listens at `path`; nil where none does. 0 where the kernel does not tell which.
    static func peer(at path: String) -> Int32? {
        guard let descriptor = connect(path) else { return nil }
        defer { close(descriptor) }
        return cprocess_peer(descriptor)
    }

    private static func connect(_ path: String) -> Int32? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count <= RuntimeLimits.socketPathBytes else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return nil }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // A full backlog answers EAGAIN: somebody listens, and is busy.
        guard status == 0 || errno == EAGAIN else {
            close(descriptor)
            return nil
        }
        return descriptor
    }
}
