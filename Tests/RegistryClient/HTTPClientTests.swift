import Foundation
import HTTPTypes
import RegistryClient
import Synchronization
import TestSupport
import Testing

/// Runs `body` with a scripted server and a client of it, and closes both.
func withClient(
    _ configuration: HTTPClientConfiguration = .init(),
    script: @escaping @Sendable (RecordedRequest, Int) -> [Step],
    body: (HTTPClient, ScriptedServer) async throws -> Void
) async throws {
    let server = try await ScriptedServer(script)
    let client = try HTTPClient(origin: Origin(server.origin), configuration: configuration)
    do {
        try await body(client, server)
    } catch {
        await client.close()
        try await server.stop()
        throw error
    }
    await client.close()
    try await server.stop()
}

/// The code of the client's error that `body` throws; nil where it throws none.
func clientCode(_ body: () async throws -> Void) async throws -> ClientError.Code? {
    do {
        try await body()
        return nil
    } catch let error as ClientError {
        return error.reason
    }
}

@Suite("HTTP client")
struct HTTPClientTests {
    @Test("an answer comes back with status, fields and body")
    func answers() async throws {
        try await withClient(.init(bearerToken: "secret")) { _, _ in
            [.answer("404 Not Found", fields: [("X-Thing", "a"), ("X-Thing", "b")], body: Array("gone".utf8))]
        } body: { client, server in
            let reply = try await client.perform(HTTPCall(.get, "/a/../b?c=d"), limit: 100)
            #expect(reply.status == 404)
            #expect(reply.fields[values: try #require(HTTPField.Name("x-thing"))] == ["a", "b"])
            #expect(String(decoding: reply.body, as: UTF8.self) == "gone")
            let request = try #require(server.requests.first)
            #expect(request.target == "/a/../b?c=d")
            #expect(request.fields["authorization"] == "Bearer secret")
            #expect(request.fields["user-agent"] == "martlet")
        }
    }

    @Test("bodies go out from memory and from a part of a file", arguments: [HTTPRequest.Method.post, .put, .patch])
    func bodies(method: HTTPRequest.Method) async throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Data(bytes).write(to: URL(fileURLWithPath: folder.file("blob")))
        try await withClient { _, _ in
            [.answer("201 Created")]
        } body: { client, server in
            _ = try await client.perform(HTTPCall(method, "/x", body: .bytes(bytes)), limit: 0)
            let part = HTTPCall.Body.file(path: folder.file("blob"), offset: 1000, length: 200_000)
            _ = try await client.perform(HTTPCall(method, "/x", body: part), limit: 0)
            _ = try await client.perform(HTTPCall(method, "/x"), limit: 0)
            #expect(server.requests.map(\.body) == [bytes, Array(bytes[1000..<201_000]), []])
            #expect(server.requests.allSatisfy { $0.method == method.rawValue && $0.fields["expect"] == nil })
            #expect(server.requests.last?.fields["content-length"] == "0")
        }
    }

    @Test("a header value cannot smuggle in a second field")
    func fieldInjection() async throws {
        try await withClient { _, _ in
            [.answer("200 OK")]
        } body: { client, server in
            let name = try #require(HTTPField.Name("X-A"))
            let call = HTTPCall(.get, "/", fields: [name: "1\r\nX-B: 2"])
            _ = try await client.perform(call, limit: 0)
            #expect(server.requests.first?.fields["x-b"] == nil)
        }
    }

    @Test(
        "targets that are no path of the registry are refused",
        arguments: ["", "x", "http://evil/", "/a b", "/\r\nX: y", "/a#b"])
    func targets(target: String) async throws {
        try await withClient { _, _ in
            [.answer("200 OK")]
        } body: { client, server in
            let code = try await clientCode { _ = try await client.perform(HTTPCall(.get, target), limit: 0) }
            #expect(code == .invalidCall)
            #expect(server.requests.isEmpty)
        }
    }

    @Test(
        "a misbehaving peer gives an error that says so",
        arguments: [
            (
                [Step.text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), .close],
                ClientError.Code.connectionLost
            ),
            ([.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), .close], .connectionLost),
            ([.close], .connectionLost),
            ([.text("HTTP/1.1 200 OK\r\n\r\n"), .sendForEver], .tooLarge),
            ([.text("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), .sendForEver], .tooLarge),
            ([.text("nonsense\r\n\r\n"), .close], .malformedReply),
            (
                [.text("HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 90_000) + "\r\n\r\n"), .close],
                .malformedReply
            ),
            ([.answer("302 Found", fields: [("Location", "http://127.0.0.1:1/")])], .redirected),
            ([.answer("307 Temporary Redirect", fields: [("Location", "/elsewhere")])], .redirected),
            ([.hang], .timedOut),
            ([.text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), .hang], .timedOut),
        ])
    func misbehaviour(steps: [Step], code: ClientError.Code) async throws {
        try await withClient(.init(patience: .seconds(code == .timedOut ? 1 : 60))) { _, _ in
            steps
        } body: { client, server in
            let inMemory = try await clientCode { _ = try await client.perform(HTTPCall(.get, "/"), limit: 1000) }
            #expect(inMemory == code)
            let streamed = try await clientCode {
                _ = try await client.download(HTTPCall(.get, "/"), limit: 1000) { _ in }
            }
            #expect(streamed == code)
            #expect(server.requests.count <= 4)
        }
    }

    @Test("nobody at the address is told from a name that does not exist")
    func unreachable() async throws {
        let server = try await ScriptedServer { _, _ in [] }
        try await server.stop()
        let client = try HTTPClient(origin: Origin(server.origin))
        #expect(try await clientCode { _ = try await client.perform(HTTPCall(.get, "/"), limit: 0) } == .cannotConnect)
        await client.close()
    }

    @Test("cancelling the task ends its transfer and leaves the others alone")
    func cancellation() async throws {
        try await withClient { request, _ in
            request.target == "/slow" ? [.hang] : [.answer("200 OK")]
        } body: { client, server in
            let slow = Task { try await clientCode { _ = try await client.perform(HTTPCall(.get, "/slow"), limit: 0) } }
            while server.requests.isEmpty { await Task.yield() }
            slow.cancel()
            let slowCode = try await slow.value
            #expect(slowCode == .cancelled)
            let reply = try await client.perform(HTTPCall(.get, "/"), limit: 0)
            #expect(reply.status == 200)
            let early = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await clientCode { _ = try await client.perform(HTTPCall(.get, "/slow"), limit: 0) }
            }
            let earlyCode = try await early.value
            #expect(earlyCode == .cancelled)
        }
    }

    @Test("closing ends open transfers and refuses new ones")
    func closing() async throws {
        try await withClient { _, _ in
            [.hang]
        } body: { client, server in
            let open = Task { try await clientCode { _ = try await client.perform(HTTPCall(.get, "/"), limit: 0) } }
            while server.requests.isEmpty { await Task.yield() }
            await client.close()
            let openCode = try await open.value
            let lateCode = try await clientCode { _ = try await client.perform(HTTPCall(.get, "/"), limit: 0) }
            #expect(openCode == .closed && lateCode == .closed)
        }
    }

    @Test("a download streams its body, after the head was checked")
    func downloads() async throws {
        let bytes = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try await withClient { _, _ in
            [.answer("206 Partial Content", fields: [("Content-Range", "bytes 0-1999999/*")], body: bytes)]
        } body: { client, _ in
            let log = Mutex<(heads: Int, body: [UInt8])>((0, []))
            let reply = try await client.download(HTTPCall(.get, "/"), limit: 2_000_000) { head in
                log.withLock { $0.heads += $0.body.isEmpty && head.status == 206 ? 1 : 100 }
            } to: { piece in
                log.withLock { $0.body += piece }
            }
            #expect(reply.fields[.contentRange] == "bytes 0-1999999/*")
            #expect(log.withLock { $0.heads } == 1)
            #expect(log.withLock { $0.body } == bytes)
        }
    }

    struct DiskFull: Error {}

    @Test("what the sink or the check throws comes back as it is, also for an empty body")
    func sinkErrors() async throws {
        try await withClient { request, _ in
            [.answer("200 OK", body: request.target == "/e" ? [] : [1, 2, 3])]
        } body: { client, _ in
            await #expect(throws: DiskFull.self) {
                _ = try await client.download(HTTPCall(.get, "/"), limit: 10) { _ in throw DiskFull() }
            }
            for target in ["/", "/e"] {
                await #expect(throws: DiskFull.self) {
                    let check: HeadCheck = { _ in throw DiskFull() }
                    _ = try await client.download(HTTPCall(.get, target), limit: 10, check: check) { _ in }
                }
            }
        }
    }

    @Test("a refusal brings the registry's own problem, without its control characters")
    func problems() async throws {
        let document = """
            {"type":"t","title":"x","status":409,"detail":"\\u001b[2Jversion exists","code":"releaseExists",\
            "remedy":"Raise the version."}
            """
        try await withClient { _, _ in
            [.answer("409 Conflict", fields: [("Retry-After", "7")], body: Array(document.utf8))]
        } body: { client, _ in
            do {
                _ = try await client.download(HTTPCall(.get, "/"), limit: 10) { _ in }
                Issue.record("a 409 passed")
            } catch let error as ClientError {
                #expect(error.code == "releaseExists")
                #expect(error.status == 409)
                #expect(error.remedy == "Raise the version.")
                #expect(error.retryAfterSeconds == 7)
                #expect(!error.message.unicodeScalars.contains { $0.value < 0x20 })
            }
        }
    }

    @Test(
        "an answer that asks to be left alone is understood in seconds and as a date by its own clock, up to a day",
        arguments: [
            ("7", 7), ("-5", 0), ("7200", 7200), ("99999999999", 86_400), ("soon", nil), ("", nil),
            ("Sun, 06 Nov 1994 08:51:37 GMT", 120), ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("Fri, 06 Nov 2093 08:51:37 GMT", 86_400), ("Sun, 06 Xxx 1994 08:51:37 GMT", nil),
            ("Sun, 99 Nov 1994 08:51:37 GMT", nil), ("Sunday, 06-Nov-94 08:49:37 GMT", nil),
        ] as [(String, Int?)])
    func retryAfter(text: String, seconds: Int?) async throws {
        try await withClient { _, _ in
            [
                .answer(
                    "503 Service Unavailable",
                    fields: [("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", text)], body: [])
            ]
        } body: { client, _ in
            do {
                _ = try await client.download(HTTPCall(.get, "/"), limit: 10) { _ in }
                Issue.record("a 503 passed")
            } catch let error as ClientError {
                #expect(error.retryAfterSeconds == seconds)
            }
        }
    }

    @Test("a file that became shorter ends the upload")
    func shorterFile() async throws {
        let folder = try TemporaryFolder()
        try Data(count: 1000).write(to: URL(fileURLWithPath: folder.file("blob")))
        try await withClient { _, _ in
            [.answer("200 OK")]
        } body: { client, _ in
            let body = HTTPCall.Body.file(path: folder.file("blob"), offset: 0, length: 2000)
            let bodyCode = try await clientCode {
                _ = try await client.perform(HTTPCall(.put, "/", body: body), limit: 0)
            }
            #expect(bodyCode == .fileFailed)
            let absent = HTTPCall.Body.file(path: folder.file("absent"), offset: 0, length: 1)
            let absentCode = try await clientCode {
                _ = try await client.perform(HTTPCall(.put, "/", body: absent), limit: 0)
            }
            #expect(absentCode == .fileFailed)
        }
    }

    @Test("a token does not cross the network without TLS")
    func insecure() throws {
        #expect(throws: ClientError.self) {
            try HTTPClient(origin: Origin("http://registry.example"), configuration: .init(bearerToken: "t"))
        }
    }

    @Test("many calls at once share one thread")
    func parallel() async throws {
        try await withClient { request, _ in
            [.answer("200 OK", body: Array(request.target.utf8))]
        } body: { client, _ in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        let reply = try await client.perform(HTTPCall(.get, "/\(number)"), limit: 100)
                        return String(decoding: reply.body, as: UTF8.self) == "/\(number)"
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }
}

@Suite("Origins")
struct OriginTests {
    @Test(
        "origins are normal and exact",
        arguments: [
            ("https://Registry.Example", "https://registry.example"), ("https://a:443/", "https://a"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"), ("https://[::1]:8443", "https://[::1]:8443"),
            ("ftp://a", nil), ("https://", nil), ("https://a/b", nil), ("https://u:p@a", nil), ("https://a:0", nil),
            ("https://a:99999", nil), ("https://a:+1", nil), ("https://a b", nil), ("a", nil), ("https://[::1", nil),
            ("https://a?x", nil), ("https://[x]", nil),
        ])
    func parsing(text: String, normal: String?) {
        #expect((try? Origin(text))?.text == normal)
    }

    @Test(
        "a location is followed only at the same origin",
        arguments: [
            ("/v2/x?y=1", "/v2/x?y=1"), ("https://a/v2/x", "/v2/x"), ("https://a:443/v2/x", "/v2/x"),
            ("https://A/v2", "/v2"), ("http://a/v2/x", nil), ("https://a.evil/v2", nil), ("//evil/v2", nil),
            ("https://a:444/x", nil), ("https://evil/https://a/", nil), ("https://a@evil/x", nil), ("https://a?/", nil),
        ])
    func locations(location: String, target: String?) throws {
        #expect(try Origin("https://a").target(of: location) == target)
    }
}
