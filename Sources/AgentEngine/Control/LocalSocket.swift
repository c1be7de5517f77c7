internal import Glibc
internal import MartletTypes

/// A UNIX socket in a folder, however long the folder's path is: the address goes through the folder's descriptor.
enum LocalSocket {
    /// Listens on a socket that its owner alone may use; `isOpen` lets others connect too, for who listens to judge.
    /// What an earlier agent left there is removed.
    static func listen(folder: String, name: String, isOpen: Bool = false) throws(AgentError) -> Int32 {
        let socket = try make(folder)
        // On Linux the mode of a socket before `bind` is that of its file, less the mask; changing it afterwards would
        // leave a gap, which only matters where it shall be closed.
        guard fchmod(socket, isOpen ? 0o666 : 0o600) == 0 else { throw failed("protect", folder, name, socket) }
        // Under another name until somebody listens: whoever sees the socket can connect to it.
        let early = name + ".early"
        let result = try atAddress(folder, early, socket) { address, length in
            unlink("\(folder)/\(early)")
            return bind(socket, address, length)
        }
        guard result == 0 else { throw failed("listen on", folder, name, socket) }
        if isOpen, chmod("\(folder)/\(early)", 0o666) != 0 { throw failed("open", folder, name, socket) }
        guard Glibc.listen(socket, AgentLimits.controlConnections) == 0,
            rename("\(folder)/\(early)", "\(folder)/\(name)") == 0
        else { throw failed("listen on", folder, name, socket) }
        return socket
    }

    /// Connects. Throws `notRunning` where nobody listens.
    static func connect(folder: String, name: String) throws(AgentError) -> Int32 {
        let socket = try make(folder)
        let result = try atAddress(folder, name, socket) { address, length in Glibc.connect(socket, address, length) }
        guard result == 0 else {
            let number = errno
            close(socket)
            if number == EACCES || number == EPERM {
                throw AgentError(
                    .untrusted, "This user may not speak to the agent at \(folder)/\(name).",
                    remedy: "Run as the agent's user or as root.")
            }
            throw notRunning(folder)
        }
        return socket
    }

    /// Who is at the other end of a connection, as the kernel says.
    struct Peer: Sendable, Hashable {
        /// Its process; 0 where that is not visible here.
        var process: Int32
        var user: uid_t
        /// Its own group and the further ones.
        var groups: Set<gid_t>
    }

    /// The process at the other end; nil where the kernel does not tell.
    static func peer(_ socket: Int32) -> Peer? {
        // `struct ucred`, which Glibc hides from Swift: process, user and group, 32 bits each.
        var peer: [UInt32] = [0, .max, .max]
        var length = socklen_t(12)
        guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0, length == 12 else { return nil }
        return Peer(process: Int32(bitPattern: peer[0]), user: peer[1], groups: furtherGroups(socket).union([peer[2]]))
    }

    /// `SO_PEERGROUPS` of Linux 4.13, which Glibc's headers lack; none on an older kernel.
    private static func furtherGroups(_ socket: Int32) -> Set<gid_t> {
        var groups = [gid_t](repeating: 0, count: AgentLimits.peerGroups)
        var length = socklen_t(groups.count * MemoryLayout<gid_t>.size)
        guard getsockopt(socket, SOL_SOCKET, 59, &groups, &length) == 0 else { return [] }
        return Set(groups.prefix(Int(length) / MemoryLayout<gid_t>.size))
    }

    /// How long a read or write may take.
    static func setPatience(_ socket: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, length)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, length)
    }

    /// Writes all bytes; false where the other end does not take them.
    static func write(_ bytes: [UInt8], to socket: Int32, flags: Int32 = 0) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                send(
                    socket, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, flags | Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Reads up to `limit` bytes, to the end or through the first line end; nil where they did not come in time.
    static func read(_ socket: Int32, limit: Int, throughLine: Bool) -> [UInt8]? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = recv(socket, &piece, piece.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { return throughLine ? nil : bytes }
            bytes += piece[..<count]
            guard bytes.count <= limit else { return nil }
            if throughLine, let end = bytes.firstIndex(of: UInt8(ascii: "\n")) { return Array(bytes[..<end]) }
        }
    }

    /// Reads a connection line by line.
    struct LineReader {
        let socket: Int32
        private var rest: [UInt8] = []

        init(socket: Int32) { self.socket = socket }

        /// The next line without its end; nil at the end, after a silence, or where it is longer than `limit`.
        mutating func next(limit: Int) -> [UInt8]? {
            var piece = [UInt8](repeating: 0, count: 16 * 1024)
            var searched = 0
            while true {
                if let end = rest[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                    let line = Array(rest[..<end])
                    rest.removeSubrange(...end)
                    return line
                }
                searched = rest.count
                let count = recv(socket, &piece, piece.count, 0)
                if count < 0, errno == EINTR { continue }
                guard count > 0, rest.count + count <= limit else { return nil }
                rest += piece[..<count]
            }
        }
    }

    static func notRunning(_ folder: String) -> AgentError {
        AgentError(
            .notRunning, "No agent listens in \(folder).",
            remedy: "Start it with `martlet-agent run --data DIR`, or check the path.", fault: .environment)
    }

    private static func make(_ folder: String) throws(AgentError) -> Int32 {
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else {
            throw AgentError(
                .notRunning, "No socket could be made: \(String(cString: strerror(errno))).",
                remedy: "Raise the limit of open files.", fault: .environment)
        }
        return socket
    }

    /// Calls `body` with an address of `name` in `folder`; closes the socket where the folder cannot be opened.
    private static func atAddress(
        _ folder: String, _ name: String, _ socket: Int32,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(AgentError) -> Int32 {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            close(socket)
            throw notRunning(folder)
        }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("/proc/self/fd/\(descriptor)/\(name)".utf8)
        precondition(path.count < MemoryLayout.size(ofValue: address.sun_path), "the socket's name is a short constant")
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func failed(_ what: String, _ folder: String, _ name: String, _ socket: Int32) -> AgentError {
        let detail = String(cString: strerror(errno))
        close(socket)
        return AgentError(
            .notRunning, "Could not \(what) \(folder)/\(name): \(detail).",
            remedy: "Check that the agent's user may write the data folder.", fault: .environment)
    }
}

extension AgentLimits {
    /// Groups of one process; the kernel's own bound is 65,536, and nobody has a thousand.
    static let peerGroups = 1024
}
