import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import AgentStore

@Suite("The journal")
struct JournalTests {
    let folder: ScratchFolder
    let path: String
    let slot: SlotName

    init() throws {
        folder = try ScratchFolder()
        path = folder.file("journal.sqlite")
        slot = try SlotName("triage")
    }

    /// What another process would find if this one were killed now.
    private func afterKill() throws -> Journal {
        let copy = folder.file("copy-\(UUID().uuidString).sqlite")
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy + suffix)
        }
        return try Journal(path: copy)
    }

    private func transition(_ from: SlotPhase, _ to: SlotPhase, _ cause: String = "planned") -> Transition {
        Transition(time: Sample.now, slot: slot, from: from, to: to, cause: cause)
    }

    @Test("has every transition on the disk when the call returns, with its line of history and its reports")
    func durable() async throws {
        let journal = try Journal(path: path)
        var record = SlotRecord(slot: slot)
        record.target = try Sample.target("1.0.0", generation: 4)
        record.figures.evaluation = EvaluationResult(rows: 60, correct: 50, failed: 0, medianMilliseconds: 12.5)
        record.override = SlotOverride(generation: 3, code: "evaluationFailed", message: "…", time: Sample.now)
        record.candidate = try Sample.generation(5, weights: [Digest.of([1])])
        record.soakEnds = Sample.now + .milliseconds(1)
        for (number, phase) in SlotPhase.allCases.enumerated() {
            let before = record.phase
            record.phase = phase
            record.attempts = number
            try await journal.save(record, transition: transition(before, phase), reports: [[UInt8(number)]])
            let found = try afterKill()
            #expect(try await found.slots() == [record])
            #expect(try await found.history(of: slot, limit: 1) == [transition(before, phase)])
            #expect(try await found.reports(limit: 100).last?.body == [UInt8(number)])
            #expect(found.identity == journal.identity)
        }
        let settings = try await journal.settings()
        #expect(settings == ["journal_mode": "wal", "synchronous": "2"])
    }

    @Test("keeps several slots apart and forgets one with its reports in one step")
    func slots() async throws {
        let journal = try Journal(path: path)
        let billing = try SlotName("billing")
        try await journal.save(SlotRecord(slot: slot), transition: nil)
        try await journal.save(SlotRecord(slot: billing), transition: transition(.idle, .planning))
        #expect(try await journal.slots().map(\.slot) == [billing, slot])
        try await journal.remove(
            billing, transition: transition(.committed, .idle, "no longer assigned"), reports: [[1]])
        #expect(try await journal.slots().map(\.slot) == [slot])
        #expect(try await journal.reports(limit: 10).map(\.body) == [[1]])
        #expect(try await journal.history(of: slot, limit: 1).first?.cause == "no longer assigned")
    }

    @Test("has a random identity that stays, and 16 bytes of it")
    func identity() throws {
        let first = try Journal(path: path)
        #expect(try Journal(path: path).identity == first.identity)
        #expect(try Journal(path: folder.file("other")).identity != first.identity)
        #expect(
            try Journal(path: folder.file("fixed"), random: { [UInt8](repeating: 0xab, count: 16) }).identity.text
                == String(repeating: "ab", count: 16))
        #expect(throws: AgentStoreError(.journalUnusable, "The journal's identity has 3 bytes.")) {
            try Journal(path: folder.file("short"), random: { [1, 2, 3] })
        }
    }

    @Test("lets no number fall", arguments: [Journal.Mark.assignmentNumber, .signedTime, .nextGeneration])
    func marks(mark: Journal.Mark) async throws {
        let journal = try Journal(path: path)
        #expect(try await journal.mark(mark) == 0)
        for (value, expected) in [(5, 5), (3, 5), (5, 5), (6, 6), (-1, 6), (.max, .max), (0, .max)] as [(Int64, Int64)]
        {
            try await journal.raise(mark, to: value)
            #expect(try await journal.mark(mark) == expected)
            #expect(try await afterKill().mark(mark) == expected)
        }
    }

    @Test("keeps named documents")
    func facts() async throws {
        let journal = try Journal(path: path)
        #expect(try await journal.fact("inventory") == nil)
        try await journal.setFact("inventory", [1, 0, 255])
        try await journal.setFact("inventory", [])
        #expect(try await journal.fact("inventory") == [])
        #expect(try await afterKill().fact("inventory") == [])
    }

    @Test("remembers evaluations by release and variant, the newest so many")
    func evaluations() async throws {
        let journal = try Journal(path: path)
        let result = EvaluationResult(rows: 2, correct: 1, failed: 0, medianMilliseconds: 3, minAccuracy: 0.5)
        let (release, variant) = (Digest.of([1]), Digest.of([2]))
        #expect(try await journal.evaluation(release: release, variant: variant) == nil)
        try await journal.remember(result, release: release, variant: variant, at: Sample.now)
        #expect(try await journal.evaluation(release: release, variant: variant) == result)
        #expect(try await journal.evaluation(release: variant, variant: release) == nil)
        var better = result
        better.correct = 2
        try await journal.remember(better, release: release, variant: variant, at: Sample.now)
        #expect(try await journal.evaluation(release: release, variant: variant) == better)
        try await journal.fillEvaluations(upTo: 1_200, after: Sample.now)
        try await journal.remember(result, release: variant, variant: variant, at: Sample.now + .seconds(10_000))
        #expect(try await journal.count("evaluation") == 1_000)
        #expect(try await journal.evaluation(release: release, variant: variant) == nil)
        #expect(try await journal.evaluation(release: variant, variant: variant) == result)
    }

    @Test("keeps a bounded history for people to read")
    func boundedHistory() async throws {
        let journal = try Journal(path: path)
        try await journal.fillHistory(slot, count: 6_000)
        try await journal.save(SlotRecord(slot: slot), transition: transition(.idle, .planning, "newest"))
        #expect(try await journal.count("transition") == 5_000)
        #expect(try await journal.history(of: slot, limit: 2).first?.cause == "newest")
        #expect(try await journal.history(of: try SlotName("other"), limit: 2).isEmpty)
    }

    @Test("says that the disk is full, keeps what it had, and goes on when there is room")
    func fullDisk() async throws {
        let journal = try Journal(path: path)
        let record = SlotRecord(slot: slot)
        try await journal.save(record, transition: transition(.idle, .idle, "first"), reports: [[1]])
        try await journal.limitPages(to: 0)
        var later = record
        later.phase = .fetching
        let big = [UInt8](repeating: 7, count: 200_000)
        #expect(
            await code {
                try await journal.save(later, transition: transition(.idle, .fetching, "second"), reports: [big])
            } == .diskFull)
        #expect(try await journal.slots() == [record])
        #expect(try await journal.history(of: slot, limit: 10).map(\.cause) == ["first"])
        #expect(try await journal.reports(limit: 10).map(\.body) == [[1]])
        #expect(await code { try await journal.spool(big, budget: .mebibytes(1)) } == .diskFull)
        try await journal.limitPages(to: 1_000_000)
        try await journal.save(later, transition: nil, reports: [big])
        #expect(try await afterKill().slots() == [later])
    }

    @Test("answers with an error, not a trap, after its end")
    func closed() async throws {
        let journal = try Journal(path: path)
        await journal.close()
        #expect(await code { _ = try await journal.slots() } == .storageFailed)
        #expect(await code { try await journal.save(SlotRecord(slot: slot), transition: nil) } == .storageFailed)
        await journal.close()
    }
}

extension Journal {
    func settings() throws -> [String: String] {
        var values: [String: String] = [:]
        for name in ["journal_mode", "synchronous"] {
            values[name] = try database.rows("PRAGMA \(name)") { $0.text(0) }.first
        }
        return values
    }

    func count(_ table: String) throws -> Int64 {
        try database.rows("SELECT count(*) FROM \(table)") { $0.integer(0) }.first ?? 0
    }

    /// Lets the file have so many pages at most; at least those that it has.
    func limitPages(to pages: Int) throws {
        _ = try database.rows("PRAGMA max_page_count = \(max(1, pages))") { $0.integer(0) }
    }

    func fillEvaluations(upTo count: Int, after time: Timestamp) throws {
        try database.run(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
            INSERT INTO evaluation SELECT 'r' || i, 'v', x'', \(time.milliseconds) + i FROM n
            """)
    }

    func fillHistory(_ slot: SlotName, count: Int) throws {
        try database.run(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
            INSERT INTO transition (time, slot, before, after, cause) SELECT i, '\(slot)', 'idle', 'idle', 'x' FROM n
            """)
    }

    func run(_ sql: String) throws { try database.run(sql) }
}
