import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("A slot after a restart of the agent")
struct SlotRestartTests {
    private let now = SlotFixtures.start

    @Test(
        "Each phase goes on so that something serves first, and what an end left undone is done",
        arguments: [
            (SlotPhase.idle, SlotPhase.idle, ["point", "serve 1.0.0", "collect"]),
            (.committed, .committed, ["point", "serve 1.0.0", "collect"]),
            (.failed, .failed, ["point", "serve 1.0.0", "collect"]),
            (.waiting, .waiting, ["point", "serve 1.0.0", "wake"]),
            (.offered, .planning, ["point", "serve 1.0.0", "plan"]),
            (.planning, .planning, ["point", "serve 1.0.0", "plan"]),
            (.fetching, .planning, ["point", "serve 1.0.0", "plan"]),
            (.verifying, .planning, ["point", "serve 1.0.0", "plan"]),
            (.checking, .planning, ["point", "serve 1.0.0", "plan"]),
            (.staged, .staged, ["point", "serve 1.0.0"]),
            (.starting, .staged, ["point", "serve 1.0.0"]),
            (.probing, .staged, ["point", "serve 1.0.0"]),
            (.evaluating, .staged, ["point", "serve 1.0.0"]),
            (.shadowing, .staged, ["point", "serve 1.0.0"]),
            (.idling, .staged, ["point", "serve 1.0.0"]),
            (.switching, .staged, ["point", "serve 1.0.0"]),
            (.soaking, .soaking, ["point", "serve 2.0.0"]),
        ])
    func restart(_ phase: SlotPhase, _ expected: SlotPhase, _ actions: [String]) throws {
        var machine = SlotMachine(record: try interrupted(in: phase))
        let step = machine.handle(.started, now: now)
        #expect(machine.record.phase == expected)
        #expect(step.actions.map(\.word) == actions)
    }

    @Test("A staged candidate starts once what is committed serves, or cannot")
    func afterServing() throws {
        for event in [
            SlotEvent.served(GenerationID(1)),
            .serveFailed(GenerationID(1), SlotFailure(.retry, code: "engineExited", message: "It ended.")),
        ] {
            var machine = SlotMachine(record: try interrupted(in: .starting))
            _ = machine.handle(.started, now: now)
            let step = machine.handle(event, now: now)
            #expect(step.actions.map(\.word) == ["startCandidate"])
            #expect(machine.record.phase == .starting)
        }
    }

    @Test("A soaking candidate proves itself anew from when it serves")
    func soaksAnew() throws {
        var machine = SlotMachine(record: try interrupted(in: .soaking))
        _ = machine.handle(.started, now: now)
        #expect(machine.record.soakEnds == nil)
        let later = now + .seconds(100)
        _ = machine.handle(.served(GenerationID(2)), now: later)
        #expect(machine.record.soakEnds == later + .seconds(10))
    }

    @Test("A candidate during which the agent is stopped again and again is blamed for it")
    func interruptions() throws {
        var record = try interrupted(in: .starting)
        for _ in 0..<2 {
            var machine = SlotMachine(record: record)
            _ = machine.handle(.started, now: now)
            _ = machine.handle(.served(GenerationID(1)), now: now)
            record = machine.record
        }
        var machine = SlotMachine(record: record)
        let step = machine.handle(.started, now: now)
        #expect(machine.record.phase == .failed)
        #expect(machine.record.override?.code == "interrupted")
        #expect(step.actions.map(\.word).contains("serve 1.0.0"))
    }

    @Test("A stop that was asked for is not held against the candidate")
    func stopped() throws {
        var record = try interrupted(in: .soaking)
        for _ in 0..<5 {
            var machine = SlotMachine(record: record)
            _ = machine.handle(.started, now: now)
            _ = machine.handle(.served(GenerationID(2)), now: now)
            _ = machine.handle(.stopping, now: now)
            record = machine.record
        }
        #expect(record.phase == .soaking)
        #expect(record.interruptions == 1)
    }

    private func interrupted(in phase: SlotPhase) throws -> SlotRecord {
        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.phase = phase
        record.retryAt = now + .seconds(5)
        record.soakEnds = now + .seconds(5)
        if SlotPromises.hasCandidate.contains(phase) {
            record.candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        }
        return record
    }
}
