import HTTPTypes
import MartletTypes
import RegistryClient
import Synchronization
import TestSupport
import Testing

/// A limit says what cannot come faster; how much slower it comes is the machine's matter, and is not looked at.
@Suite("A limit of what is received")
struct BandwidthTests {
    /// How many bytes came in all, and to whom.
    private final class Account: Sendable {
        let bytes = Mutex<[Int: Int64]>([:])
        var total: Int64 { bytes.withLock { $0.values.reduce(0, +) } }
        func sink(_ id: Int) -> BodySink { { piece in self.add(piece.count, id) } }
        private func add(_ count: Int, _ id: Int) { bytes.withLock { $0[id, default: 0] += Int64(count) } }
    }

    /// 256 KiB: with the speed below, whatever was received in a burst at the start is a small part of it.
    private static let body = [UInt8](repeating: 7, count: 256 * 1024)
    private static let speed: Int64 = 128 * 1024
    /// What may come beyond the speed: the credit of a late wake-up, and the piece that is on its way.
    private static let slack = speed / 10 + 16 * 1024

    @Test("keeps to its speed by a virtual clock, and pays back at most a tenth of a second of a pause")
    func pace() {
        var pace = ReceivePace(from: .zero)
        var (now, taken) = (Duration.zero, 0)
        while now < .seconds(60) {
            let wait = pace.wait(for: 16_384, speed: 100_000, at: now)
            if wait > .zero {
                now += wait
            } else {
                pace.take(16_384, speed: 100_000, at: now)
                taken += 16_384
            }
        }
        #expect(taken <= 6_000_000 + 10_000 && taken > 5_900_000)
        now += .seconds(3600)
        var burst = 0
        while pace.wait(for: 16_384, speed: 100_000, at: now) == .zero {
            pace.take(16_384, speed: 100_000, at: now)
            burst += 16_384
        }
        #expect(burst <= 10_000 + 16_384, "an hour without anything is no credit")
    }

    @Test("holds for transfers at once together, whether the client or the calls name it", arguments: [true, false])
    func together(_ isOfClient: Bool) async throws {
        let configuration = HTTPClientConfiguration(maxReceiveSpeed: isOfClient ? Self.speed : nil)
        try await withClient(configuration) { _, _ in
            [.answer("200 OK", body: Self.body)]
        } body: { client, _ in
            let account = Account()
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<3 {
                    group.addTask {
                        var call = HTTPCall(.get, "/\(id)")
                        if !isOfClient { call.speed.shared = Self.speed }
                        _ = try await client.download(call, limit: 1 << 20, to: account.sink(id))
                    }
                }
                try await group.waitForAll()
            }
            let time = ContinuousClock.now - start
            #expect(account.total == Int64(3 * Self.body.count))
            // 768 KiB at 128 KiB in a second; each by itself would be there in two seconds.
            let least = Duration.seconds(Double(account.total - Self.slack) / Double(Self.speed))
            #expect(time >= least, "\(time) for \(account.total) bytes, at least \(least)")
        }
    }

    @Test("of an assignment holds for one transfer, beside the one that all share")
    func own() async throws {
        let size = ByteCount(Self.body.count)
        try await withClient { _, _ in
            [.answer("200 OK", body: Self.body)]
        } body: { client, _ in
            let account = Account()
            let start = ContinuousClock.now
            try await OCIClient(http: client).download(
                .of(Self.body), size: size, from: try RepositoryName("a/b"),
                speed: DownloadSpeed(shared: 1 << 30, own: Self.speed), to: account.sink(0))
            #expect(account.total == size.bytes)
            let least = Duration.seconds(Double(size.bytes) / Double(Self.speed))
            #expect(ContinuousClock.now - start >= least)
        }
    }

    @Test("starves no transfer, lets documents through at once, and holds for the sum at every moment")
    func fair() async throws {
        try await withClient(HTTPClientConfiguration(maxReceiveSpeed: Self.speed)) { request, _ in
            request.target == "/document"
                ? [.answer("200 OK", body: [1, 2, 3])]
                : [.text("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"), .sendForEver]
        } body: { client, _ in
            let account = Account()
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<3 {
                    group.addTask {
                        _ = try await client.download(
                            HTTPCall(.get, "/\(id)"), limit: .max, to: account.sink(id))
                    }
                }
                try await eventually(within: 120, "each of them receives again and again") {
                    let total = account.total
                    let most = Double(Self.speed) * ((ContinuousClock.now - start) / .seconds(1))
                    #expect(total <= Int64(most) + Self.slack)
                    return account.bytes.withLock { $0.count == 3 && $0.values.allSatisfy { $0 > 64 * 1024 } }
                }
                let reply = try await client.perform(HTTPCall(.get, "/document"), limit: 10)
                #expect(reply.body == [1, 2, 3])
                group.cancelAll()
                while let result = await group.nextResult() {
                    guard case .failure(let error as ClientError) = result else {
                        Issue.record("it was to be cancelled: \(result)")
                        continue
                    }
                    #expect(error.reason == .cancelled)
                }
            }
        }
    }

    @Test("does not hide that what receives refuses a piece")
    func refusal() async throws {
        struct Full: Error {}
        try await withClient(HTTPClientConfiguration(maxReceiveSpeed: Self.speed)) { _, _ in
            [.answer("200 OK", body: Self.body)]
        } body: { client, _ in
            let account = Account()
            await #expect(throws: Full.self) {
                _ = try await client.download(HTTPCall(.get, "/"), limit: 1 << 20) { piece in
                    guard account.total < 64 * 1024 else { throw Full() }
                    try account.sink(0)(piece)
                }
            }
            // The client goes on with the next.
            _ = try await client.download(HTTPCall(.get, "/"), limit: 1 << 20, to: account.sink(1))
            #expect(account.bytes.withLock { $0[1] } == Int64(Self.body.count))
        }
    }
}
