import Foundation
import Glibc
import Synchronization

/// A small HTTP/1.1 server on loopback for what others send: a script says how each request is answered.
public final class WebhookReceiver: Sendable {
    /// A request that came whole.
    public struct Request: Sendable {
        /// Path and query.
        public let target: String
        /// Fields by their names in lower case.
        public let fields: [String: String]
        /// What came after the fields.
        public let body: [UInt8]

        /// Puts one together, as a test that forges one needs it.
        public init(target: String, fields: [String: String], body: [UInt8]) {
            self.target = target
            self.fields = fields
            self.body = body
        }

        /// The identifier of the event.
        public var id: String { fields["webhook-id"] ?? "" }
        /// The body as text.
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// How one is answered.
    public enum Answer: Sendable {
        case status(Int, fields: [String: String] = [:])
        /// 200, and then bytes without end.
        case endless
        /// Nothing, until the other side goes.
        case silence
        /// The connection is closed without a word.
        case hangUp
    }

    private struct State {
        var requests: [Request] = []
        var isClosed = false
    }

    /// Where it listens.
    public let port: Int
    /// Where others send to.
    public var url: String { "http://127.0.0.1:\(port)/hook" }
    private let listener: Int32
    private let state = Mutex(State())
    private let script: @Sendable (Request, Int) -> Answer

    /// Listens on `port`, 0 for any. `script` gets each request and its number, from 0.
    public init(port: Int = 0, _ script: @escaping @Sendable (Request, Int) -> Answer = { _, _ in .status(204) }) throws
    {
        self.script = script
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var on: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { socket in
                bind(descriptor, socket, length) == 0 && getsockname(descriptor, socket, &length) == 0
            }
        }
        guard isBound, listen(listener, 64) == 0 else {
            Glibc.close(listener)
            throw NeverTrue(description: "the receiver cannot listen on \(port)")
        }
        self.port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in accept() }
    }

    /// What came so far.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// Ends it; connections that are open end with their next byte.
    public func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        Glibc.close(listener)
    }

    private var isClosed: Bool { state.withLock { $0.isClosed } }

    private func accept() {
        while !isClosed {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { continue }
            Thread.detachNewThread { [self] in
                serve(connection)
                Glibc.close(connection)
            }
        }
    }

    private func serve(_ connection: Int32) {
        var buffer: [UInt8] = []
        while !isClosed, let request = Self.read(connection, &buffer) {
            let number = state.withLock { state in
                state.requests.append(request)
                return state.requests.count - 1
            }
            switch script(request, number) {
            case .status(let code, let fields):
                let lines = fields.map { "\($0.key): \($0.value)\r\n" }.joined()
                let length = code == 204 ? "" : "content-length: 0\r\n"
                guard Self.write(connection, "HTTP/1.1 \(code) Said\r\n\(length)\(lines)\r\n") else { return }
            case .endless:
                guard Self.write(connection, "HTTP/1.1 200 OK\r\n\r\n") else { return }
                while !isClosed, Self.write(connection, String(repeating: "x", count: 4096)) {}
                return
            case .silence:
                var byte: UInt8 = 0
                while !isClosed, recv(connection, &byte, 1, 0) > 0 {}
                return
            case .hangUp: return
            }
        }
    }

    private static func write(_ connection: Int32, _ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func read(_ connection: Int32, _ buffer: inout [UInt8]) -> Request? {
        let end: [UInt8] = Array("\r\n\r\n".utf8)
        while true {
            if let range = buffer.firstRange(of: end) {
                let head = String(decoding: buffer[..<range.lowerBound], as: UTF8.self)
                var lines = head.components(separatedBy: "\r\n")
                let target = lines.removeFirst().split(separator: " ").dropFirst().first.map(String.init) ?? ""
                var fields: [String: String] = [:]
                for line in lines {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    guard parts.count == 2 else { continue }
                    fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                }
                let length = Int(fields["content-length"] ?? "0") ?? 0
                let start = range.upperBound
                while buffer.count < start + length { guard receive(connection, &buffer) else { return nil } }
                let body = Array(buffer[start..<start + length])
                buffer.removeFirst(start + length)
                return Request(target: target, fields: fields, body: body)
            }
            guard receive(connection, &buffer) else { return nil }
        }
    }

    private static func receive(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        let count = recv(connection, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer += chunk.prefix(count)
        return true
    }
}
