import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("Bounds of an installation")
struct SlotBoundTests {
    private let now = SlotFixtures.start

    private func planning() throws -> SlotMachine {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        return machine
    }

    @Test("One that goes round in circles is given up after a bounded number of phases, and what is committed serves")
    func circles() throws {
        var machine = try planning()
        var events = 0
        // A driver that is out of its mind: each new plan supersedes the one at work.
        while machine.record.phase.isAtWork, events < 1_000 {
            events += 1
            _ = machine.handle(.planned(blobs: [], missing: ByteCount(1), installed: false), now: now)
            var record = machine.record
            guard record.phase.isAtWork else { break }
            record.phase = .planning
            machine = SlotMachine(record: record)
        }
        #expect(machine.record.phase == .failed && machine.record.override?.code == "tooManyTransitions")
        #expect(machine.record.current?.id == GenerationID(1) && events <= SlotLimits().transitions + 1)
    }

    @Test("Starts of the agent in the middle of a download are not held against it: a box may be switched off daily")
    func starts() throws {
        var machine = try planning()
        for _ in 0..<500 {
            _ = machine.handle(.planned(blobs: [], missing: ByteCount(1), installed: false), now: now)
            #expect(machine.record.phase == .fetching)
            machine = SlotMachine(record: try JSONText.decode(SlotRecord.self, from: JSONText.encode(machine.record)))
            let step = machine.handle(.started, now: now)
            #expect(machine.record.phase == .planning && step.actions.contains { $0.word == "serve 1.0.0" })
            machine = SlotMachine(record: machine.record)
            guard machine.record.phase == .planning else { return }
        }
    }

    @Test(
        "What the registry refuses, has not, or has wrongly is tried a bounded number of times, with longer pauses",
        arguments: [("blobMissing", 24), ("quota", 24), ("digestMismatch", 3), ("lengthMismatch", 3)])
    func refused(_ code: String, _ tries: Int) throws {
        var machine = try planning()
        var time = now
        var pauses: [Duration] = []
        var reports = 0
        for number in 1...tries {
            let step = machine.handle(
                .failed(SlotFailure(.refused, code: code, message: "No.")), now: time, random: 1)
            reports += step.reports.count
            guard number < tries else { break }
            #expect(machine.record.phase == .waiting)
            let retryAt = try #require(machine.record.retryAt)
            pauses.append(retryAt - time)
            time = retryAt
            machine = SlotMachine(record: try JSONText.decode(SlotRecord.self, from: JSONText.encode(machine.record)))
            _ = machine.handle(.woke, now: time)
            #expect(machine.record.phase == .planning)
        }
        #expect(machine.record.phase == .failed && machine.record.override?.code == code)
        #expect(machine.record.override?.message == "Given up after \(tries) tries: No.")
        #expect(reports == 2, "told when it began and when it was given up")
        #expect(pauses == pauses.sorted() && pauses.allSatisfy { $0 <= SlotLimits().longestRefusal })
        // A new assignment is a new chance.
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.1", generation: 3)), now: time)
        #expect(machine.record.phase == .planning && machine.record.refusals == nil)
    }

    @Test("Refusals and wrong contents are counted each by themselves: some of the one are not too many of the other")
    func countedApart() throws {
        var machine = try planning()
        var time = now
        func fail(_ code: String) throws {
            _ = machine.handle(.failed(SlotFailure(.refused, code: code, message: "No.")), now: time, random: 1)
            machine = SlotMachine(record: try JSONText.decode(SlotRecord.self, from: JSONText.encode(machine.record)))
            guard machine.record.phase == .waiting else { return }
            time = try #require(machine.record.retryAt)
            _ = machine.handle(.woke, now: time)
        }
        for code in ["rateLimited", "rateLimited", "weightCheckFailed", "rateLimited", "weightCheckFailed"] {
            try fail(code)
            #expect(machine.record.phase == .planning, "\(code)")
        }
        try fail("weightCheckFailed")
        #expect(machine.record.phase == .failed)
        #expect(machine.record.override?.message == "Given up after 3 tries: No.")
        // Contents do not bring the other limit nearer either.
        machine = try planning()
        for code in ["digestMismatch", "digestMismatch"] + Array(repeating: "quota", count: 23) {
            try fail(code)
            #expect(machine.record.phase == .planning, "\(code)")
        }
        try fail("quota")
        #expect(machine.record.override?.message == "Given up after 24 tries: No.")
    }

    @Test("A registry that asks to be left alone is left alone for as long, and for no more than a day")
    func asked() throws {
        for (seconds, expected) in [(7200, 7200), (1_000_000_000, 86_400)] {
            var machine = try planning()
            let failure = SlotFailure(.refused, code: "quota", message: "No.", asked: .seconds(seconds))
            _ = machine.handle(.failed(failure), now: now, random: 0)
            #expect(machine.record.retryAt == now + .seconds(expected))
        }
    }

    @Test("A clock that is set back by ten years while a slot waits or soaks makes it wait no longer than it was to")
    func setBack() throws {
        var machine = try planning()
        let future = now + .seconds(3650 * 86_400)
        _ = machine.handle(.failed(SlotFailure(.retry, code: "c", message: "m")), now: future)
        var step = machine.handle(.woke, now: now)
        let retryAt = try #require(machine.record.retryAt)
        #expect(retryAt <= now + .seconds(10) && step.actions == [.wake(retryAt)])
        _ = machine.handle(.woke, now: retryAt)
        #expect(machine.record.phase == .planning)

        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 2, soak: 60)
        record.candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        record.phase = .soaking
        record.soakEnds = future
        machine = SlotMachine(record: record)
        step = machine.handle(.woke, now: now)
        #expect(step.actions == [.wake(now + .seconds(60))])
        _ = machine.handle(.woke, now: now + .seconds(60))
        #expect(machine.record.phase == .committed && machine.record.current?.id == GenerationID(2))
    }

    @Test("What waited for the clock is tried again when it is woken, before its pause is over; all else is not")
    func setRight() throws {
        for (code, phase) in [("clockUntrusted", SlotPhase.planning), ("blobMissing", .waiting)] {
            var machine = try planning()
            var time = now
            for _ in 0..<8 {
                _ = machine.handle(.failed(SlotFailure(.retry, code: code, message: "m")), now: time)
                time = try #require(machine.record.retryAt)
                _ = machine.handle(.woke, now: time)
            }
            _ = machine.handle(.failed(SlotFailure(.retry, code: code, message: "m")), now: time)
            #expect(try #require(machine.record.retryAt) > time + .seconds(200))
            _ = machine.handle(.woke, now: time + .seconds(1))
            #expect(machine.record.phase == phase, "\(code)")
        }
    }

    private static let phases: [SlotPhase] = [
        .planning, .fetching, .verifying, .checking, .staged, .starting, .probing, .evaluating, .shadowing, .idling,
        .switching,
    ]

    @Test("In a boot loop what is committed serves and candidates wait, in whatever phase they were", arguments: phases)
    func bootLoop(_ phase: SlotPhase) throws {
        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.phase = phase
        if SlotPromises.hasCandidate.contains(phase) {
            record.candidate = try SlotFixtures.generation(2, "2.0.0", 2)
            record.swap = .sideBySide
        }
        var machine = SlotMachine(record: record, caution: "It ends again and again.")
        let step = machine.handle(.started, now: now)
        #expect(machine.record.phase == .waiting && machine.record.failedTry?.code == "agentRestarts")
        #expect(machine.record.current == record.current && machine.record.candidate == nil)
        let words = Set(step.actions.map(\.word))
        #expect(words.contains("serve 1.0.0") && !words.contains("startCandidate") && !words.contains("plan"))
        #expect(step.reports.map(\.code) == ["agentRestarts"])
    }

    @Test("A fallen agent with none before it is told as failed, and tried again where it is assigned anew")
    func fallenAgent() throws {
        let slot = try SlotName(MartletVersion.agentSlot)
        var record = SlotRecord(slot: slot)
        record.phase = .committed
        record.target = try SlotFixtures.target("1.0.0", generation: 1)
        let current = SlotFixtures.generation(1, try #require(record.target), slot: slot)
        record.current = current
        var machine = SlotMachine(record: record)
        let fall = SlotFailure(.final, code: "crashLoop", message: "It ended 5 times.")
        var step = machine.handle(.serveFailed(current.id, fall), now: now)
        #expect(step.reports.map(\.state) == [.failed] && step.reports.map(\.code) == ["crashLoop"])
        #expect(machine.record.phase == .failed && machine.record.override?.code == "crashLoop")
        #expect(machine.record.current == current && step.actions.isEmpty)
        // Told once more by the next start of the agent, without another state.
        step = machine.handle(.serveFailed(current.id, fall), now: now)
        #expect(step.reports.allSatisfy { $0.state == nil } && machine.record.phase == .failed)
        // The same number changes nothing; a higher one has it tried, whatever failed between.
        #expect(machine.handle(.assigned(try #require(record.target)), now: now) == SlotStep())
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        _ = machine.handle(.failed(SlotFailure(.final, code: "probeFailed", message: "No.")), now: now)
        step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 3)), now: now)
        #expect(machine.record.phase == .planning && step.actions.map(\.word) == ["plan"])
        #expect(step.reports.allSatisfy { $0.state != .succeeded })
        // Once it runs again, it is what any other is.
        var back = machine
        _ = back.handle(.served(current.id), now: now)
        _ = back.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 4)), now: now)
        #expect(back.record.phase == .committed)
    }

    @Test("How often an agent on trial may end its launcher counts, and the machine how often it does in its soak")
    func agentOnTrial() throws {
        let slot = try SlotName(MartletVersion.agentSlot)
        var record = SlotRecord(slot: slot)
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.candidate = SlotFixtures.generation(2, try #require(record.target), slot: slot)
        record.phase = .switching
        record.swap = .sideBySide
        for _ in 0..<5 {
            var machine = SlotMachine(record: record)
            _ = machine.handle(.started, now: now)
            #expect(machine.record.phase == .starting && machine.record.interruptions == 0)
        }
        record.phase = .soaking
        for count in 1...3 {
            var machine = SlotMachine(record: record)
            let step = machine.handle(.started, now: now)
            record = machine.record
            let words = Set(step.actions.map(\.word))
            #expect(count < 3 ? record.phase == .soaking : record.phase == .failed)
            // There is no release to go back to: the installed program comes back.
            if count == 3 { #expect(words.contains("empty") && step.reports.map(\.code) == ["interrupted"]) }
        }
    }
}

extension SlotPhase {
    fileprivate var isAtWork: Bool { ![.idle, .committed, .failed, .waiting, .offered].contains(self) }
}
