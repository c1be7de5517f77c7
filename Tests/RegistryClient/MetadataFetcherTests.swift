import MartletTypes
import RegistryClient
import TUF
import Testing

/// What TUF calls endless data and slow retrieval, over a real connection.
@Suite("Metadata over HTTP")
struct MetadataFetcherTests {
    private func fetch(
        limit: Int, deadline: Duration = .seconds(60), _ script: @escaping @Sendable (RecordedRequest, Int) -> [Step]
    ) async throws -> Result<[UInt8]?, any Error> {
        let server = try await ScriptedServer(script)
        let http = try HTTPClient(origin: Origin(server.origin))
        let result: Result<[UInt8]?, any Error>
        do {
            let fetcher = HTTPMetadataFetcher(http: http, deadline: deadline)
            result = .success(try await fetcher.fetch("timestamp.json", limit: limit))
        } catch {
            result = .failure(error)
        }
        await http.close()
        try await server.stop()
        return result
    }

    private func reason(_ result: Result<[UInt8]?, any Error>) -> String? {
        if case .failure(let error as ClientError) = result { error.code } else { nil }
    }

    @Test("a file that is there comes whole, one that is not is nil")
    func found() async throws {
        let whole = try await fetch(limit: 3) { _, _ in [.answer("200 OK", body: [1, 2, 3])] }
        #expect(try whole.get() == [1, 2, 3])
        #expect(try await fetch(limit: 3) { _, _ in [.answer("404 Not Found", body: [1, 2])] }.get() == nil)
    }

    @Test("a server that never stops sending is left at the limit, whether it announced a length or not")
    func endless() async throws {
        let chunkless = try await fetch(limit: 16_384) { _, _ in [.text("HTTP/1.1 200 OK\r\n\r\n"), .sendForEver] }
        #expect(reason(chunkless) == "tooLarge")
        let announced = try await fetch(limit: 16_384) { _, _ in
            [.text("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n"), .sendForEver]
        }
        #expect(reason(announced) == "tooLarge")
        // Not a byte more than was asked for.
        let over = try await fetch(limit: 2) { _, _ in [.answer("200 OK", body: [1, 2, 3])] }
        #expect(reason(over) == "tooLarge")
    }

    @Test("a server that sends byte by byte is left at the deadline, though it is never silent")
    func slow() async throws {
        let dripped = try await fetch(limit: 16_384, deadline: .seconds(1)) { _, _ in
            [.text("HTTP/1.1 200 OK\r\nContent-Length: 16000\r\n\r\n"), .drip]
        }
        #expect(reason(dripped) == "timedOut")
        let head = try await fetch(limit: 16_384, deadline: .seconds(1)) { _, _ in
            [.text("HTTP/1.1 200 OK\r\nX: "), .drip]
        }
        #expect(reason(head) == "timedOut")
    }

    @Test("what breaks on the way is the way's fault, and may be tried again")
    func broken() async throws {
        let cut = try await fetch(limit: 100) { _, _ in
            [.text("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"), .close]
        }
        guard case .failure(let error as ClientError) = cut else {
            Issue.record("\(cut)")
            return
        }
        #expect(error.isTransient)
    }
}
