import AgentStore
import Logging
import MartletAPI
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

@Suite("What waits for a slot's driver")
struct SlotInboxTests {
    private static func restarted(_ number: Int) -> SlotEvent {
        .engineRestarted(GenerationID(1), reason: "end \(number)", unavailableMilliseconds: 1)
    }

    private static func lost(_ id: Int64, _ message: String) -> SlotEvent {
        .engineLost(GenerationID(id), SlotFailure(.final, code: "crashLoop", message: message))
    }

    /// Closes the inbox and takes out all that is in it.
    private func events(_ inbox: SlotInbox) async -> [SlotEvent] {
        inbox.close()
        var events: [SlotEvent] = []
        while let item = await inbox.next() { if case .event(let event, _) = item { events.append(event) } }
        return events
    }

    @Test("comes out in the order it came in, whatever is decided complete")
    func order() async throws {
        let inbox = SlotInbox()
        let target = try SlotFixtures.target("2.0.0", generation: 2)
        let sent: [SlotEvent] = [
            .started, .assigned(target), .sentBack(by: "a"), .sentBack(by: "a"), .unassigned, .assigned(target), .woke,
            .woke, .stopping,
        ]
        for event in sent { inbox.put(.event(event, nil)) }
        #expect(await events(inbox) == sent)
        inbox.put(.event(.woke, nil))
        #expect(inbox.count == 0)
    }

    @Test("is bounded where engines go on ending: the latest is kept, and cut answers are added up")
    func merged() async throws {
        let inbox = SlotInbox()
        inbox.put(.event(.renumbered, nil))
        for number in 1...10_000 {
            inbox.put(.event(Self.restarted(number), nil))
            inbox.put(.event(Self.lost(1, "\(number)"), nil))
            inbox.put(.event(.drained(cutStreams: 2), nil))
            inbox.put(.event(.shadowProgress(SlotFixtures.shadowed(1, of: number)), nil))
            inbox.put(.event(.tookBack([]), nil))
        }
        inbox.put(.event(Self.lost(2, "other"), nil))
        #expect(inbox.count <= AgentLimits.owedReports + 10)
        let events = await events(inbox)
        #expect(events.first == .renumbered && events.last == Self.lost(2, "other"))
        #expect(events.filter { $0.name == "engine restarted" }.last == Self.restarted(10_000))
        #expect(
            events.filter { if case .engineLost(GenerationID(1), _) = $0 { true } else { false } } == [
                Self.lost(1, "10000")
            ])
        #expect(events.contains(.drained(cutStreams: 20_000)))
    }

    @Test("of a step at work is left as it is")
    func ofWork() async {
        let inbox = SlotInbox()
        let token = WorkToken()
        for _ in 0..<3 { inbox.put(.event(.tookBack([]), token)) }
        inbox.put(.event(.tookBack([]), nil))
        #expect(await events(inbox).count == 4)
    }

    @Test("stays small while the journal takes no writes, and is told when it does again")
    func failingJournal() async throws {
        let device = try await DeviceFixture()
        let tools = SlotTools(
            store: device.store, installer: device.installer(), engines: device.engineTools(), clock: device.clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let driver = SlotDriver(record: SlotRecord(slot: device.slot), tools: tools)
        let running = Task { await driver.run() }
        try await device.store.journal.takeWrites(false)
        driver.send(.drained(cutStreams: 1))
        try await eventually(within: 60, "a write failed") { device.store.health.trouble != nil }
        for number in 1...10_000 {
            driver.send(Self.restarted(number))
            driver.send(.drained(cutStreams: 1))
        }
        #expect(driver.backlog <= AgentLimits.owedReports + 1)
        try await device.store.journal.takeWrites(true)
        try await eventually(within: 120, "it told") { try await device.record()?.figures.cutStreams == 10_001 }
        try await eventually(within: 120, "it told all") {
            try await device.reports().contains { $0.message?.hasSuffix("end 10000") ?? false }
        }
        driver.stop()
        await running.value
        await device.close()
    }
}
