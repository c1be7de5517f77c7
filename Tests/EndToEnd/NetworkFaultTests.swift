import Foundation
import Glibc
import MartletTypes
import Synchronization
import TestSupport
import Testing

/// A wire between a device and its registry that the test disturbs; what goes over it is TLS and stays so.
private final class Wire: Sendable {
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
        /// Flips a bit in every so many bytes of the registry's.
        case corrupts(Int)
        /// Lets pass so many bytes a second.
        case slow(Int)
    }

    private struct State {
        var mode = Mode.pass
        var target = 0
        var open: Set<Int32> = []
        var connections = 0
        var isOver = false
    }

    let port: Int
    private let listener: Int32
    private let state = Mutex(State())

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
        default: break
        }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(server) }
        guard Self.withAddress(target, { connect(server, $0, $1) == 0 }) else { return }
        Thread.detachNewThread {
            // Its own descriptors: the other direction closes the first ones.
            let (from, to) = (dup(client), dup(server))
            Self.copy(from, to, .pass)
            close(from)
            close(to)
        }
        Self.copy(server, client, mode)
    }

    private static func copy(_ from: Int32, _ to: Int32, _ mode: Mode) {
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
            guard send(Array(buffer[..<count]), to) else { return }
            if case .cutAfter(let bytes) = mode, passed > bytes { return }
            if case .slow = mode { usleep(50_000) }
        }
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

/// The real agent and the real registry, with a bad wire between them.
@Suite("A device with a bad link", .serialized)
struct NetworkFaultTests {
    private static let slot = "s"

    @Test("serves through every fault of the wire, asks rarely, and installs as soon as it can")
    func faults() async throws {
        try await Site.ready("net") { site in
            let device = try await site.startDevice("w1")
            let models = ["tiny-v1.Q4_0.gguf", "tiny-v2.Q4_0.gguf", "tiny-v1.Q8_0.gguf", "tiny-v2.Q8_0.gguf"]
            for number in 0..<7 {
                try await site.martlet(
                    "publish", StoryTests.tiny(models[number % 4]), "--as", "clinic/m\(number):1.0.0")
            }
            try await rollOut(site, 0)
            try await site.waitUntilServing("w1", Self.slot, "clinic/m0:1.0.0")

            let wire = try await putBetween(site)
            defer { wire.end() }
            // Nothing comes through: serving goes on, and the registry is not asked all the time.
            for (number, mode) in [Wire.Mode.closes, .silent, .garbage].enumerated() {
                wire.set(mode)
                let before = wire.connections
                try await rollOut(site, number + 1)
                try await Task.sleep(for: .seconds(8))
                #expect(wire.connections - before < 60, "\(mode): \(wire.connections - before) connections in 8 s")
                #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200, "\(mode)")
                wire.set(.pass)
                try await site.waitUntilServing("w1", Self.slot, "clinic/m\(number + 1):1.0.0", within: 180)
            }
            // Something comes through: that is kept, and in the end all is there.
            for (number, mode) in [Wire.Mode.cutAfter(250_000), .corrupts(400_000), .slow(600_000)].enumerated() {
                wire.set(mode)
                try await rollOut(site, number + 4)
                // The registry hears of it over the same wire.
                try await eventually(within: 240, "\(mode): it is installed\n\(device.process.output.suffix(3000))") {
                    try DataFolder(path: device.data).slots().first { $0.slot == Self.slot }?.current
                        == "clinic/m\(number + 4)/1.0.0"
                }
                #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200, "\(mode)")
            }
            wire.set(.pass)
            try await site.waitUntilServing("w1", Self.slot, "clinic/m6:1.0.0", within: 180)
            #expect(try DataFolder(path: device.data).rotten() == [])
            #expect(try await device.process.stop(within: 60) == 0, "\(device.process.output.suffix(3000))")
        }
    }

    /// Moves the registry to another port and leads its old one there.
    private func putBetween(_ site: Site) async throws -> Wire {
        let port = Int(site.deviceAddress.split(separator: ":").last ?? "") ?? 0
        try await site.stopRegistry()
        let wire = try Wire(port: port)
        let behind = try freePort()
        try await site.startRegistry(["--device-address", "127.0.0.1:\(behind)"])
        wire.lead(to: behind)
        return wire
    }

    private func rollOut(_ site: Site, _ number: Int) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/m\(number):1.0.0", "--selector", "site=berlin", "--slot", Self.slot, "--soak",
            "0s")
    }
}
