import AgentStore
import MartletTypes
import Testing
import Trust

@testable import AgentEngine

@Suite("A slot that people send back on the box")
struct SlotLocalRollbackTests {
    private let now = SlotFixtures.start

    private func version(_ record: GenerationRecord?) -> String? { record?.releases[0].path.version.text }

    @Test("it serves what it served before, says so to the registry, and stays there")
    func back() throws {
        var machine = try SlotFixtures.committed()
        let step = machine.handle(.sentBack(by: "user 0"), now: now)
        #expect(step.actions.map(\.word) == ["point", "serve 0.9.0"])
        #expect(version(machine.record.current)?.description == "0.9.0")
        #expect(version(machine.record.previous)?.description == "1.0.0")
        #expect(machine.record.phase == .failed)
        #expect(machine.record.override?.code == "localRollback")
        let report = try #require(step.reports.first)
        #expect(report.code == "localRollback")
        #expect(report.message == "It was sent back to clinic/triage:0.9.0 on this device, by user 0.")
        // The same assignment again, or one that is signed anew, moves nothing; so does the agent's next start.
        #expect(machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 1)), now: now).actions.isEmpty)
        #expect(machine.handle(.started, now: now).actions.map(\.word) == ["point", "serve 0.9.0", "collect"])
        // A second time there is nothing to go back to: it would only be forward again.
        #expect(machine.handle(.sentBack(by: "user 0"), now: now).actions.isEmpty)
        // A newer decision of the registry ends it.
        let next = machine.handle(.assigned(try SlotFixtures.target("1.1.0", generation: 2)), now: now)
        #expect(next.actions.map(\.word).contains("look") || next.actions.map(\.word).contains("plan"))
        #expect(machine.record.override == nil)
    }

    @Test("an installation at work is given up, and what is committed serves on")
    func underWay() throws {
        var machine = try SlotFixtures.committed()
        machine.record.target = try SlotFixtures.target("2.0.0", generation: 2)
        machine.record.candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        machine.record.phase = .soaking
        let step = machine.handle(.sentBack(by: "user 1000"), now: now)
        #expect(version(machine.record.current)?.description == "1.0.0")
        #expect(machine.record.candidate == nil)
        #expect(machine.record.phase == .failed)
        #expect(step.actions.map(\.word).contains("serve 1.0.0"))
        #expect(step.reports.contains { $0.code == "localRollback" && $0.state == .failed })
    }

    @Test("without anything before, or to what was taken back for good, it does not go")
    func nothing() throws {
        var first = try SlotFixtures.committed()
        first.record.previous = nil
        #expect(first.handle(.sentBack(by: "user 0"), now: now) == SlotStep())
        #expect(SlotMachine.wayBack(of: first.record) == nil)
        #expect(SlotMachine.wayBack(of: SlotRecord(slot: try SlotFixtures.slot())) == nil)
    }

    @Test("one that waits to try something newer again gives that up too")
    func waiting() throws {
        var machine = try SlotFixtures.committed()
        machine.record.target = try SlotFixtures.target("2.0.0", generation: 2)
        machine.record.phase = .waiting
        machine.record.retryAt = now + .seconds(60)
        let step = machine.handle(.sentBack(by: "user 0"), now: now)
        #expect(step.actions.map(\.word) == ["cancelWork", "point", "serve 0.9.0"])
        #expect(machine.record.retryAt == nil)
        #expect(machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now).actions.isEmpty)
    }
}
