import Foundation
import Glibc
import Synchronization
import TestSupport

/// A wire between a device and its registry that the test disturbs; what goes over it is TLS and stays so.
final class Wire: Sendable {
    /// What it does to connections.
    enum Mode: Sendable, Hashable {
        case pass
        /// Takes connections and closes them.
        case closes
        /// Takes connections and says nothing.
        case silent
        /// Answers with something that is not TLS.
        case garbage
        /// Closes each connection after so many bytes of the registry's.
        case cutAfter(Int)
        /// Says nothing more on each connection after so many bytes of the registry's, and keeps it open.
        case stallsAfter(Int)
        /// Flips a bit in every so many bytes of the registry's.
        case corrupts(Int)
        /// Lets pass so many bytes a second.
        case slow(Int)
        /// Says what a registry said before, whoever comes and whatever it says.
        case replays([UInt8])
    }

    private struct State {
        var mode = Mode.pass
        var target = 0
        var open: Set<Int32> = []
        var connections = 0
        var stalled = 0
        var heard: [Heard] = []
    }

    /// What went over one connection.
    struct Heard: Sendable {
        var fromDevice: [UInt8] = []
        var fromRegistry: [UInt8] = []
    }

    /// Kept of each connection and direction; a handshake and a few requests take some thousands.
    private static let heardBytes = 256 * 1024

    let port: Int
    private let listener: Int32
    private let state = Mutex(State())

    /// Moves a site's registry to another port and leads its old one there.
    static func put(before site: Site) async throws -> Wire {
        let port = Int(site.deviceAddress.split(separator: ":").last ?? "") ?? 0
        try await site.stopRegistry()
        let wire = try Wire(port: port)
        let behind = try freePort()
        try await site.startRegistry(["--device-address", "127.0.0.1:\(behind)"])
        wire.lead(to: behind)
        return wire
    }

    /// Listens on `port`.
    init(port: Int) throws {
        self.port = port
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        let bound = Self.withAddress(port) { bind(listener, $0, $1) == 0 && listen(listener, 64) == 0 }
        guard bound else { throw NeverTrue(description: "port \(port) is taken") }
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                let (mode, target) = state.withLock { state in
                    state.connections += 1
                    state.open.insert(client)
                    return (state.mode, state.target)
                }
                Thread.detachNewThread { [self] in serve(client, mode, target) }
            }
        }
    }

    var connections: Int { state.withLock { $0.connections } }

    /// Connections that were let stall.
    var stalled: Int { state.withLock { $0.stalled } }

    /// What went over it so far, connection by connection.
    var heard: [Heard] { state.withLock { $0.heard } }

    /// Leads to another port from now on.
    func lead(to port: Int) { state.withLock { $0.target = port } }

    /// Changes what is done, also to the connections that there are: they are cut.
    func set(_ mode: Mode) {
        let open = state.withLock { state in
            state.mode = mode
            return state.open
        }
        for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    func end() {
        set(.closes)
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ client: Int32, _ mode: Mode, _ target: Int) {
        defer {
            _ = state.withLock { $0.open.remove(client) }
            close(client)
        }
        switch mode {
        case .closes: return
        case .silent:
            var byte = [UInt8](repeating: 0, count: 4096)
            while recv(client, &byte, byte.count, 0) > 0 {}
            return
        case .garbage:
            _ = Self.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno".utf8), client)
            return
        case .replays(let bytes):
            _ = Self.send(bytes, client)
            return
        default: break
        }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(server) }
        guard Self.withAddress(target, { connect(server, $0, $1) == 0 }) else { return }
        let number = state.withLock { state in
            state.heard.append(Heard())
            return state.heard.count - 1
        }
        Thread.detachNewThread { [self] in
            // Its own descriptors: the other direction closes the first ones.
            let (from, to) = (dup(client), dup(server))
            copy(from, to, .pass, number, \.fromDevice)
            close(from)
            close(to)
        }
        copy(server, client, mode, number, \.fromRegistry)
    }

    private func copy(
        _ from: Int32, _ to: Int32, _ mode: Mode, _ number: Int, _ direction: WritableKeyPath<Heard, [UInt8]>
    ) {
        defer {
            shutdown(from, Int32(SHUT_RDWR))
            shutdown(to, Int32(SHUT_RDWR))
        }
        var passed = 0
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            var room = buffer.count
            if case .slow(let speed) = mode { room = min(room, max(1, speed / 20)) }
            let count = recv(from, &buffer, room, 0)
            guard count > 0 else { return }
            if case .corrupts(let every) = mode, passed / every != (passed + count) / every { buffer[count / 2] ^= 1 }
            passed += count
            let piece = Array(buffer[..<count])
            state.withLock { state in
                guard state.heard[number][keyPath: direction].count < Self.heardBytes else { return }
                state.heard[number][keyPath: direction] += piece
            }
            guard Self.send(piece, to) else { return }
            if case .cutAfter(let bytes) = mode, passed > bytes { return }
            if case .stallsAfter(let bytes) = mode, passed > bytes {
                state.withLock { $0.stalled += 1 }
                wait(forEndOf: to)
                return
            }
            if case .slow = mode { usleep(50_000) }
        }
    }

    /// Returns when a connection was ended: the other direction ends it for both.
    private func wait(forEndOf descriptor: Int32) {
        var look = pollfd(fd: descriptor, events: 0, revents: 0)
        while poll(&look, 1, -1) < 0, errno == EINTR {}
    }

    private static func send(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func withAddress<Result>(
        _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
