import Foundation
import Glibc
import Synchronization

/// A request as the tests' server sees it.
struct TinyRequest: Sendable {
    let method: String
    let target: String
    /// Field names in lower case.
    let fields: [String: String]
}

/// What the tests' server answers.
struct TinyReply: Sendable {
    var status = 200
    var fields: [String: String] = [:]
    var body: [UInt8] = []
    /// Bytes of the body after which the connection is cut; nil sends all.
    var cutAfter: Int?
    /// A length that is announced in the body's place; negative announces none.
    var announced: Int?
    /// Sends the body again and again until the other side has enough.
    var isEndless = false

    static let notFound = TinyReply(status: 404)

    /// A body or the part of it that was asked for.
    static func content(_ bytes: [UInt8], _ request: TinyRequest) -> TinyReply {
        guard let range = request.fields["range"], range.hasPrefix("bytes=") else { return TinyReply(body: bytes) }
        let ends = range.dropFirst(6).split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1], ends[1] < bytes.count else { return TinyReply(status: 416) }
        return TinyReply(
            status: 206, fields: ["Content-Range": "bytes \(ends[0])-\(ends[1])/\(bytes.count)"],
            body: Array(bytes[ends[0]...ends[1]]))
    }
}

/// A server on loopback with one thread for each connection, for tests of what a device does with odd answers.
final class TinyHTTPServer: Sendable {
    let port: Int
    private let socket: Int32
    private let requests = Mutex<[TinyRequest]>([])

    var origin: String { "http://127.0.0.1:\(port)" }

    /// What was asked so far.
    var seen: [TinyRequest] { requests.withLock { $0 } }

    init(_ answer: @escaping @Sendable (TinyRequest) -> TinyReply) throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(socket, raw, length) == 0 && listen(socket, 16) == 0 && getsockname(socket, raw, &length) == 0
            }
        }
        guard bound else { throw POSIXError(.EADDRNOTAVAIL) }
        self.socket = socket
        port = Int(UInt16(bigEndian: address.sin_port))
        let record: @Sendable (TinyRequest) -> Void = { [weak self] request in
            self?.requests.withLock { $0.append(request) }
        }
        Thread.detachNewThread {
            while true {
                let client = accept(socket, nil, nil)
                guard client >= 0 else { return }
                Thread.detachNewThread { Self.serve(client, answer, record) }
            }
        }
    }

    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    private static func serve(
        _ client: Int32, _ answer: @Sendable (TinyRequest) -> TinyReply, _ record: @Sendable (TinyRequest) -> Void
    ) {
        defer { close(client) }
        var buffer: [UInt8] = []
        while let request = next(client, &buffer) {
            record(request)
            let reply = answer(request)
            var head = "HTTP/1.1 \(reply.status) X\r\n"
            let announced = reply.announced ?? reply.body.count
            head += announced < 0 ? "Connection: close\r\n" : "Content-Length: \(announced)\r\n"
            for (name, value) in reply.fields { head += "\(name): \(value)\r\n" }
            let body = request.method == "HEAD" ? [] : reply.body.prefix(reply.cutAfter ?? reply.body.count)
            guard send(Array((head + "\r\n").utf8) + body, client), reply.cutAfter == nil else { return }
            while reply.isEndless, send(reply.body, client) {}
            guard !reply.isEndless, announced == reply.body.count else { return }
        }
    }

    private static func send(_ bytes: [UInt8], _ client: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(client, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func next(_ client: Int32, _ buffer: inout [UInt8]) -> TinyRequest? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let range = buffer.firstRange(of: end) {
                let lines = String(decoding: buffer[..<range.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
                let words = lines[0].split(separator: " ")
                var fields: [String: String] = [:]
                for line in lines.dropFirst() {
                    guard let colon = line.firstIndex(of: ":") else { continue }
                    fields[line[..<colon].lowercased()] = line[line.index(after: colon)...]
                        .trimmingCharacters(in: .whitespaces)
                }
                let body = fields["content-length"].flatMap { Int($0) } ?? 0
                guard buffer.count >= range.upperBound + body else {
                    guard fill(client, &buffer) else { return nil }
                    continue
                }
                buffer.removeFirst(range.upperBound + body)
                guard words.count == 3 else { return nil }
                return TinyRequest(method: String(words[0]), target: String(words[1]), fields: fields)
            }
            guard fill(client, &buffer) else { return nil }
        }
    }

    private static func fill(_ client: Int32, _ buffer: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(client, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer += piece[..<count]
        return true
    }
}
