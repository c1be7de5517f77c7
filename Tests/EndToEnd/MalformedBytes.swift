import Foundation
import TestSupport

/// What no sound client sends.
enum MalformedBytes {
    static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func request(_ line: String, _ fields: String..., body: String = "") -> [UInt8] {
        text(([line, "Host: x"] + fields).joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    private static var noise: [UInt8] {
        var random = SeededGenerator(seed: 11)
        return (0..<65_536).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// The first bytes of a TLS 1.2 hello: a record of 512 bytes is announced, 16 come.
    static let halfHello: [UInt8] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3] + [UInt8](repeating: 7, count: 16)

    /// For a listener of plain HTTP: none of them may be answered but by a refusal.
    static var http: [(what: String, bytes: [UInt8])] {
        [
            ("noise", noise), ("zeros", [UInt8](repeating: 0, count: 65_536)), ("a hello of TLS", halfHello),
            ("line ends", text(String(repeating: "\r\n", count: 10_000))), ("no version", request("GET /healthz")),
            ("version 9", request("GET /healthz HTTP/9.9")), ("no method", request(" /healthz HTTP/1.1")),
            ("a method of bytes", [0x80, 0xff] + request("GET /healthz HTTP/1.1")),
            ("a method nobody knows", request("EVIL /healthz HTTP/1.1")),
            ("an address of a megabyte", request("GET /" + String(repeating: "a", count: 1 << 20) + " HTTP/1.1")),
            ("a field of a megabyte", request("GET /healthz HTTP/1.1", "X: " + String(repeating: "a", count: 1 << 20))),
            (
                "twenty thousand fields",
                request("GET /healthz HTTP/1.1", (0..<20_000).map { "X-\($0): a" }.joined(separator: "\r\n"))
            ), ("a field without a name", request("GET /healthz HTTP/1.1", ": a")),
            ("a zero in a field", request("GET /healthz HTTP/1.1", "X: a\0b")),
            ("an encoding that ends early", request("GET /api/v1/releases/%z HTTP/1.1")),
            ("a zero in the address", request("GET /api/v1/releases/%00 HTTP/1.1")),
            ("a way up", request("GET /v2/../../../etc/passwd HTTP/1.1")),
            ("a way up, encoded", request("GET /tuf/..%2f..%2fkeys%2fdirector.pem HTTP/1.1")),
            ("a way up, encoded twice", request("GET /tuf/targets/%252e%252e/%252e%252e/keys/director.pem HTTP/1.1")),
            ("a length below zero", request("POST /login HTTP/1.1", "Content-Length: -1")),
            ("a length of twenty digits", request("POST /login HTTP/1.1", "Content-Length: 99999999999999999999")),
            (
                "two lengths",
                request("POST /login HTTP/1.1", "Content-Length: 1", "Content-Length: 2", body: "ab")
            ),
            (
                "a length and chunks",
                request(
                    "POST /login HTTP/1.1", "Content-Length: 4", "Transfer-Encoding: chunked",
                    body: "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            ), ("a chunk too large for a number", chunked("ffffffffffffffffff\r\na")),
            ("a chunk without a number", chunked("zz\r\nabc\r\n0\r\n\r\n")),
            ("a chunk below zero", chunked("-1\r\na\r\n")),
        ]
    }

    private static func chunked(_ body: String) -> [UInt8] {
        request(
            "POST /login HTTP/1.1", "Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked",
            body: body)
    }

    /// For a listener of TLS.
    static var tls: [(what: String, bytes: [UInt8])] {
        [
            ("noise", noise), ("zeros", [UInt8](repeating: 0, count: 65_536)), ("half a hello", halfHello),
            ("one byte", [0x16]), ("plain HTTP", request("GET /device/v1/assignment HTTP/1.1")),
            ("a hello of SSL 2", [0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10] + [UInt8](repeating: 1, count: 37)),
            ("a record that is too long", [0x16, 3, 1, 0xff, 0xff] + [UInt8](repeating: 1, count: 65_535)),
            ("an alert", [0x15, 3, 3, 0, 2, 2, 40]), ("data before a handshake", [0x17, 3, 3, 0, 4, 1, 2, 3, 4]),
            ("a hello of 16 MiB", [0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff] + [UInt8](repeating: 3, count: 16_380)),
        ]
    }

    /// For whoever takes JSON: none of it is what any call takes.
    static var json: [(what: String, bytes: [UInt8])] {
        [
            ("nothing", []), ("noise", noise), ("half a document", text(#"{"name": "a", "sel"#)),
            ("a hundred thousand brackets", text(String(repeating: "[", count: 100_000))),
            ("as many objects", text(String(repeating: #"{"a":"#, count: 100_000))),
            ("bytes that are no text", text(#"{"name": ""#) + [0xff, 0xfe, 0xc0] + text(#""}"#)),
            ("a number without end", text(#"{"uses": 1"# + String(repeating: "0", count: 50_000) + "}")),
            ("null", text("null")), ("a list", text("[1,2,3]")), ("wrong kinds", text(#"{"name": {}, "role": 7}"#)),
            ("half a surrogate", text(#"{"name": "\ud800", "selector": 1}"#)),
            ("two documents", text(#"{"name": 1}{"name": 2}"#)),
            ("two mebibytes", text(#"{"name": ""# + String(repeating: "a", count: 2 << 20) + #"", "role": 1}"#)),
        ]
    }
}
