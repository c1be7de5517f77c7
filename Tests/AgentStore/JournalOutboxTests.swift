import MartletTypes
import TestSupport
import Testing

@testable import AgentStore

@Suite("What waits for the registry")
struct JournalOutboxTests {
    let folder: ScratchFolder
    let journal: Journal

    init() throws {
        folder = try ScratchFolder()
        journal = try Journal(path: folder.file("journal.sqlite"))
    }

    @Test("is handed out in the order in which it came, and again until it was confirmed")
    func order() async throws {
        for number in 0..<5 as Range<UInt8> { try await journal.report([number]) }
        let first = try await journal.reports(limit: 3)
        #expect(first.map(\.body) == [[0], [1], [2]])
        #expect(first.map(\.sequence) == first.map(\.sequence).sorted())
        #expect(try await journal.reports(limit: 3) == first)
        try await journal.dropReports(through: first[1].sequence)
        #expect(try await journal.reports(limit: 10).map(\.body) == [[2], [3], [4]])
        // An older confirmation that comes late takes nothing more.
        try await journal.dropReports(through: first[0].sequence)
        #expect(try await journal.reports(limit: 10).count == 3)
        #expect(try await journal.reports(limit: 0).isEmpty)
    }

    @Test("never gets a number twice, so that the registry can tell a repetition from news")
    func sequence() async throws {
        try await journal.report([1])
        let last = try #require(try await journal.reports(limit: 1).first?.sequence)
        try await journal.dropReports(through: last)
        await journal.close()
        let again = try Journal(path: folder.file("journal.sqlite"))
        try await again.report([2])
        #expect(try #require(try await again.reports(limit: 1).first?.sequence) > last)
    }

    @Test("is bounded: the oldest reports go")
    func boundedReports() async throws {
        try await journal.run(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
            INSERT INTO report (body) SELECT x'00' FROM n
            """)
        for number in 1...3 as ClosedRange<UInt8> { try await journal.report([number]) }
        #expect(try await journal.count("report") == 10_000)
        #expect(try await journal.reports(limit: 1).first?.sequence == 4)
        #expect(try await journal.reports(limit: 20_000).last?.body == [3])
    }

    @Test("drops the oldest measurements beyond the budget and says how many")
    func boundedSpool() async throws {
        let budget = ByteCount(100)
        #expect(try await journal.oldestMeasurements() == nil)
        for number in 0..<4 as Range<UInt8> {
            #expect(try await journal.spool([UInt8](repeating: number, count: 25), budget: budget) == 0)
        }
        #expect(try await journal.spool([UInt8](repeating: 9, count: 26), budget: budget) == 2)
        #expect(try await journal.oldestMeasurements()?.body.first == 2)
        #expect(try await journal.spool([1], budget: ByteCount(30)) == 2)
        #expect(try await journal.oldestMeasurements()?.body.first == 9)
        #expect(try await journal.spool([2], budget: ByteCount(1)) == 2)
        #expect(try await journal.oldestMeasurements()?.body == [2])
        // One that is larger than the whole budget is dropped as well.
        #expect(try await journal.spool([3, 3], budget: ByteCount(1)) == 2)
        #expect(try await journal.oldestMeasurements() == nil)
        #expect(try await journal.spool([], budget: .zero) == 0)
        #expect(try await journal.oldestMeasurements()?.body == [])
    }

    @Test("sends measurements in order, each until it was sent")
    func spoolOrder() async throws {
        for number in 0..<3 as Range<UInt8> { try await journal.spool([number], budget: ByteCount(100)) }
        for number in 0..<3 as Range<UInt8> {
            let queued = try #require(try await journal.oldestMeasurements())
            #expect(queued.body == [number])
            #expect(try await journal.oldestMeasurements() == queued)
            await journal.dropMeasurements(queued.sequence)
        }
        #expect(try await journal.oldestMeasurements() == nil)
    }

    @Test("measurements that were sent leave the disk with the next that come, or at the end, and count for no budget")
    func lazyDrop() async throws {
        try await journal.spool([UInt8](repeating: 1, count: 60), budget: ByteCount(100))
        let sent = try #require(try await journal.oldestMeasurements())
        await journal.dropMeasurements(sent.sequence)
        #expect(try await journal.count("telemetry") == 1)
        #expect(try await journal.oldestMeasurements() == nil)
        #expect(try await journal.spool([UInt8](repeating: 2, count: 60), budget: ByteCount(100)) == 0)
        #expect(try await journal.count("telemetry") == 1)
        let next = try #require(try await journal.oldestMeasurements())
        #expect(next.sequence > sent.sequence)
        await journal.dropMeasurements(next.sequence)
        // A number that was passed already takes nothing back.
        await journal.dropMeasurements(sent.sequence)
        #expect(try await journal.oldestMeasurements() == nil)
    }

    @Test("stays within its budget over a long time offline, whatever the sizes")
    func longOffline() async throws {
        var generator = SystemRandomNumberGenerator()
        var kept: [[UInt8]] = []
        for number in 0..<300 {
            let body = [UInt8](repeating: UInt8(number & 0xff), count: Int.random(in: 0...200, using: &generator))
            let dropped = try await journal.spool(body, budget: ByteCount(1_000))
            kept.append(body)
            kept.removeFirst(dropped)
            #expect(kept.reduce(0) { $0 + $1.count } <= 1_000)
            #expect(try await journal.oldestMeasurements()?.body == kept.first)
        }
    }
}
