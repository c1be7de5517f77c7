import AgentStore
import MartletAPI
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

@Suite("Reports on their way")
struct ReportSenderTests {
    private let device: DeviceFolder
    private let peer = FakeUplink()
    private let sender: ReportSender

    init() async throws {
        device = try await DeviceFolder()
        sender = ReportSender(journal: device.store.journal, peer: peer, random: { 1 }, logger: AgentLog.silent)
    }

    private func add(_ count: Int, message: String = "m") async throws {
        for index in 0..<count {
            try await device.store.journal.report(
                ReportBody.write(
                    DeviceReport(sequence: 0, time: FakeAuthority.now, code: "c\(index)", message: message)))
        }
    }

    private func waiting() async throws -> Int { try await device.store.journal.reports(limit: 10_000).count }

    @Test("all leave in order, in calls of bounded size, under the numbers of their rows")
    func order() async throws {
        try await add(450)
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) == nil)
        #expect(await peer.calls == [200, 200, 50])
        #expect(await peer.reports.map(\.sequence) == Array(1...450))
        #expect(await peer.reports.first?.code == "c0")
        #expect(try await waiting() == 0)
    }

    @Test("calls are bounded in bytes too")
    func bytes() async throws {
        try await add(12, message: String(repeating: "x", count: 300_000))
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) == nil)
        #expect(await peer.calls == [3, 3, 3, 3])
    }

    @Test("a registry that is away costs nothing: reports wait, with growing pauses")
    func away() async throws {
        try await add(3)
        await peer.set(fates: [.unreachable, .unreachable, .unreachable])
        var queue = ReportQueue()
        var pauses: [Duration] = []
        for _ in 0..<3 { pauses.append(try #require(await sender.sendAll(&queue))) }
        #expect(pauses == [.milliseconds(500), .seconds(1), .seconds(2)])
        #expect(try await waiting() == 3)
        #expect(await sender.sendAll(&queue) == nil)
        #expect(await peer.reports.map(\.sequence) == [1, 2, 3])
    }

    @Test("a lost answer sends again: at least once, never less")
    func lostAnswer() async throws {
        try await add(3)
        await peer.set(fates: [.answerLost])
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) != nil)
        #expect(await sender.sendAll(&queue) == nil)
        #expect(await peer.reports.map(\.sequence) == [1, 2, 3, 1, 2, 3])
        #expect(await peer.distinctReports == [1, 2, 3])
    }

    @Test("one report that is never taken does not hold up the others", arguments: [1, 4, 7])
    func poison(_ bad: Int64) async throws {
        try await add(7)
        await peer.set(poison: [bad])
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) == nil)
        #expect(await peer.distinctReports == (1...7).filter { $0 != bad })
        #expect(try await waiting() == 0)
    }

    @Test("rows that hold no report are passed over")
    func unreadable() async throws {
        try await device.store.journal.report(Array("no report".utf8))
        try await add(2)
        try await device.store.journal.report(Array("{}".utf8))
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) == nil)
        #expect(await peer.reports.map(\.sequence) == [2, 3])
        #expect(try await waiting() == 0)
        try await device.store.journal.report([])
        #expect(await sender.sendAll(&queue) == nil)
        #expect(try await waiting() == 0)
    }

    @Test("a receipt that does not cover what was sent is not believed")
    func receipt() async throws {
        try await add(2)
        await peer.set(receipt: 1)
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) != nil)
        #expect(try await waiting() == 2)
        await peer.set(receipt: 900)
        #expect(await sender.sendAll(&queue) == nil)
        #expect(try await waiting() == 0)
    }

    @Test("a refusal of the device, not of the content, drops nothing", arguments: [401, 403, 404, 500, 503])
    func deviceRefused(_ status: Int) async throws {
        try await add(1)
        await peer.set(fates: [.refused(status)])
        var queue = ReportQueue()
        #expect(await sender.sendAll(&queue) != nil)
        #expect(try await waiting() == 1)
    }

    @Test("while it runs, a ring sends at once, and cancelling ends it")
    func rings() async throws {
        let sender = sender
        let running = Task { try await sender.run() }
        for round in 1...3 {
            try await add(2)
            sender.wake.ring()
            try await eventually(within: 20, "the reports arrive") { await peer.reports.count == round * 2 }
        }
        try await eventually(within: 20, "they are dropped") { try await waiting() == 0 }
        running.cancel()
        try await running.value
    }

    @Test("a ring ends the pause for a registry that came back")
    func ringsInPause() async throws {
        try await add(1)
        await peer.set(fates: Array(repeating: .unreachable, count: 14))
        let sender = sender
        let running = Task { try await sender.run() }
        try await eventually(within: 30, "it arrives long before the pauses would end") {
            sender.wake.ring()
            return await peer.reports.count == 1
        }
        running.cancel()
        try await running.value
    }
}

@Suite("Pauses and rings")
struct PauseTests {
    @Test("pauses double up to the longest, lie in their upper half, and heed the registry's wish")
    func backoff() {
        for random in [0.0, 0.5, 1, -3, 7] {
            var backoff = Backoff(first: .seconds(1), longest: .seconds(60))
            for step in 0..<70 {
                let full = min(60.0, Double(1 << min(step, 20)))
                let pause = backoff.next(random: random)
                #expect(pause >= .seconds(full / 2))
                #expect(pause <= .seconds(full))
            }
            #expect(backoff.next(random: random, asked: .seconds(600)) == .seconds(600))
            #expect(backoff.next(random: random, asked: .seconds(86_400)) == .seconds(3600))
            backoff.reset()
            #expect(backoff.next(random: 1) == .seconds(1))
        }
    }

    @Test("a ring before the wait counts, twice is once, and time and cancelling end a wait")
    func signal() async throws {
        let signal = WakeSignal()
        signal.ring()
        signal.ring()
        await signal.wait()
        await signal.wait(for: .milliseconds(1))
        let waiter = Task { _ = await signal.wait() }
        waiter.cancel()
        await waiter.value
        let rung = Task { _ = await signal.wait() }
        signal.ring()
        await rung.value
    }
}
