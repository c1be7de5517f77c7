import Foundation
import Glibc
import Synchronization

/// An HTTP/1.1 server on plain sockets, one thread for each connection: enough for a client that is tested elsewhere.
final class SocketServer: Sendable {
    struct Request: Sendable {
        let method: String
        let path: String
        let query: [String: String]
        /// Names in lower case.
        let fields: [String: String]
        let body: [UInt8]
    }

    struct Answer: Sendable {
        var status: Int
        var fields: [String: String] = [:]
        var body: [UInt8] = []
    }

    let port: UInt16
    private let listener: Int32
    private let connections = Mutex<[Int32]>([])

    init(_ handle: @escaping @Sendable (Request) -> Answer) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, pointer, &length) == 0
            }
        }
        guard bound else { throw CocoaError(.fileReadUnknown) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                connections.withLock { $0.append(connection) }
                Thread.detachNewThread { Self.serve(connection, handle) }
            }
        }
    }

    /// Ends the listener and all connections; their threads end with them.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        for connection in connections.withLock({ $0 }) { shutdown(connection, Int32(SHUT_RDWR)) }
    }

    private static func serve(_ connection: Int32, _ handle: (Request) -> Answer) {
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            while let request = next(&pending) {
                let answer = handle(request)
                var head = "HTTP/1.1 \(answer.status) X\r\n"
                var fields = answer.fields
                if fields["Content-Length"] == nil, answer.status != 204 {
                    fields["Content-Length"] = "\(answer.body.count)"
                }
                for (name, value) in fields { head += "\(name): \(value)\r\n" }
                let bytes = Array((head + "\r\n").utf8) + answer.body
                guard send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return }
            }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            pending += buffer.prefix(count)
        }
    }

    private static func next(_ pending: inout [UInt8]) -> Request? {
        guard let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: pending[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.components(separatedBy: ": ")
            fields[parts[0].lowercased()] = parts.dropFirst().joined(separator: ": ")
        }
        let length = fields["content-length"].flatMap { Int($0) } ?? 0
        guard pending.count >= end.upperBound + length else { return nil }
        let body = Array(pending[end.upperBound..<end.upperBound + length])
        pending.removeFirst(end.upperBound + length)
        let first = lines[0].components(separatedBy: " ")
        let target = URLComponents(string: first[1])
        let query = (target?.queryItems ?? []).reduce(into: [:]) { $0[$1.name] = $1.value ?? "" }
        return Request(method: first[0], path: target?.path ?? "", query: query, fields: fields, body: body)
    }
}
