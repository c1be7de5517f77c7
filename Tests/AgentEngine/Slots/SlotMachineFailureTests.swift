import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("A slot's failures")
struct SlotMachineFailureTests {
    private let now = SlotFixtures.start

    /// A slot that serves 1.0.0 and is on its way to 2.0.0.
    private func machine(in phase: SlotPhase, hasCurrent: Bool = true) throws -> SlotMachine {
        var record = try SlotFixtures.committed().record
        if !hasCurrent {
            record.current = nil
            record.previous = nil
        }
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.phase = phase
        if SlotPromises.hasCandidate.contains(phase) {
            record.candidate = try SlotFixtures.generation(2, "2.0.0", 2)
            record.swap = .sideBySide
        }
        record.planned = [Digest.of([1])]
        return SlotMachine(record: record)
    }

    private static let early: [SlotPhase] = [.planning, .fetching, .verifying, .checking]
    private static let late: [SlotPhase] = [
        .staged, .starting, .probing, .evaluating, .shadowing, .idling, .switching, .soaking,
    ]

    @Test(
        "of each kind in each phase of an installation lead where they should, are told, and leave what serves alone",
        arguments: early + late, [SlotFailure.Kind.final, .skipped, .retry, .refused, .transport, .held])
    func kinds(phase: SlotPhase, kind: SlotFailure.Kind) throws {
        var machine = try machine(in: phase)
        let committed = machine.record.current
        let step = machine.handle(.failed(SlotFailure(kind, code: "someCode", message: "It went wrong.")), now: now)
        let isOver = [.final, .skipped].contains(kind)
        #expect(machine.record.phase == (isOver ? .failed : .waiting))
        #expect(machine.record.current == committed && machine.record.candidate == nil)
        #expect(step.actions.first == .cancelWork)
        let engines = step.actions.map(\.word).filter { !["cancelWork", "wake", "collect"].contains($0) }
        #expect(engines == (Self.late.contains(phase) ? ["endOthers", "serve 1.0.0"] : []))
        #expect(step.actions.contains { if case .wake = $0 { true } else { false } } == !isOver)
        // A candidate's folder goes with it; what was fetched stays for the next try.
        #expect(step.actions.contains(.collect) == (isOver || Self.late.contains(phase)))
        if !isOver { #expect(machine.record.planned == [Digest.of([1])]) }
        // One failed way to the registry is nobody's news.
        let states: [SlotFailure.Kind: DeviceRolloutState] = [
            .final: .failed, .skipped: .skipped, .retry: .failed, .refused: .failed,
            .held: .offered,
        ]
        #expect(step.reports.map(\.state) == states[kind].map { [$0] } ?? [])
        for report in step.reports {
            #expect(report.code == (kind == .held ? "waiting" : "someCode") && report.message == "It went wrong.")
            #expect(report.target == machine.record.target)
        }
        if isOver {
            #expect(
                machine.record.override
                    == SlotOverride(
                        generation: 2, code: "someCode", message: "It went wrong.", time: now))
            #expect(machine.record.planned.isEmpty)
        } else {
            #expect(machine.record.override == nil && machine.record.retryAt != nil)
        }
    }

    @Test("before anything was ever committed leave no engine", arguments: late)
    func first(phase: SlotPhase) throws {
        for kind in [SlotFailure.Kind.final, .retry] {
            var machine = try machine(in: phase, hasCurrent: false)
            let step = machine.handle(.failed(SlotFailure(kind, code: "c", message: "m")), now: now)
            #expect(step.actions.map(\.word).contains("endAll"))
            #expect(machine.record.current == nil && machine.record.candidate == nil)
        }
    }

    @Test(
        "that come when nothing is at work change nothing",
        arguments: [SlotPhase.idle, .committed, .failed, .waiting])
    func stray(phase: SlotPhase) throws {
        var machine = try machine(in: phase)
        let before = machine.record
        #expect(machine.handle(.failed(SlotFailure(.final, code: "c", message: "m")), now: now) == SlotStep())
        #expect(machine.record == before)
    }

    @Test("spread their pauses over the upper half, so that a fleet does not come back at once")
    func spread() throws {
        for (random, expected) in [(0.0, 1_000), (0.5, 1_500), (1.0, 2_000), (-7.0, 1_000), (9.0, 2_000)] {
            var machine = try machine(in: .planning)
            _ = machine.handle(.failed(SlotFailure(.retry, code: "c", message: "m")), now: now, random: random)
            #expect(machine.record.retryAt == now + .milliseconds(expected))
        }
    }

    @Test("pause never longer than the longest, however many there were and whatever the clock says after a start")
    func longest() throws {
        var machine = try machine(in: .planning)
        for _ in 0..<200 {
            _ = machine.handle(.failed(SlotFailure(.retry, code: "c", message: "m")), now: now, random: 1)
            let retryAt = try #require(machine.record.retryAt)
            #expect(retryAt <= now + SlotLimits().longestRetry)
            _ = machine.handle(.woke, now: retryAt)
        }
        _ = machine.handle(.failed(SlotFailure(.retry, code: "c", message: "m")), now: now)
        // A box without a clock of its own starts in the past.
        let past = now - .seconds(30 * 86_400)
        let step = machine.handle(.started, now: past)
        #expect(
            step.actions.contains {
                if case .wake(let time) = $0 { time > past && time <= past + SlotLimits().longestRetry } else { false }
            })
        _ = machine.handle(.woke, now: past + SlotLimits().longestRetry)
        #expect(machine.record.phase == .planning)
    }

    @Test("of one code are told once for a target, and again for the next")
    func once() throws {
        var machine = try machine(in: .planning)
        var codes: [String?] = []
        func fail(_ code: String) throws {
            codes += machine.handle(.failed(SlotFailure(.retry, code: code, message: "m")), now: now).reports.map(
                \.code)
            _ = machine.handle(.woke, now: try #require(machine.record.retryAt))
        }
        for code in ["a", "a", "b", "b", "a"] { try fail(code) }
        #expect(codes == ["a", "b", "a"])
        _ = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 3)), now: now)
        try fail("a")
        #expect(codes == ["a", "b", "a", "a"])
    }

    @Test("of what serves are told even where there is nothing to go back to, or something newer is on its way")
    func lossesWithoutAWayBack() throws {
        let lost = SlotEvent.engineLost(GenerationID(1), SlotFailure(.final, code: "crashLoop", message: "5 ends."))
        var alone = try SlotFixtures.committed().record
        alone.previous = nil
        for record in [alone, try machine(in: .fetching).record] {
            var machine = SlotMachine(record: record)
            let step = machine.handle(lost, now: now)
            #expect(step.reports.map(\.code) == ["crashLoop"])
            #expect(step.reports.map(\.message) == ["5 ends."])
            #expect(step.reports.first?.state == nil, "no rollout is to blame")
            #expect(step.actions.isEmpty && machine.record == record)
        }
    }

    @Test("of what serves are not held against another release that waits to be tried again")
    func lossWhileWaiting() throws {
        var machine = try machine(in: .planning)
        _ = machine.handle(.failed(SlotFailure(.retry, code: "noRoom", message: "Full.")), now: now)
        let retryAt = machine.record.retryAt
        let step = machine.handle(
            .engineLost(GenerationID(1), SlotFailure(.final, code: "crashLoop", message: "5 ends.")), now: now)
        #expect(step.actions.map(\.word) == ["point", "serve 0.9.0"])
        #expect(step.reports.first?.state == nil)
        #expect(machine.record.current?.id == GenerationID(0) && machine.record.previous?.id == GenerationID(1))
        #expect(machine.record.phase == .waiting && machine.record.retryAt == retryAt)
        #expect(machine.record.override == nil)
    }

    @Test("of engines that nobody knows any more change nothing", arguments: SlotPhase.allCases)
    func unknownEngine(phase: SlotPhase) throws {
        var machine = try machine(in: phase)
        let before = machine.record
        let failure = SlotFailure(.final, code: "engineExited", message: "m")
        for event in [SlotEvent.engineLost(GenerationID(77), failure), .serveFailed(GenerationID(77), failure)] {
            #expect(machine.handle(event, now: now) == SlotStep())
            #expect(machine.record == before)
        }
    }
}

@Suite("Going back")
struct SlotMachineRollbackTests {
    private let now = SlotFixtures.start

    @Test("to what is on the disk fetches nothing and says so", arguments: [true, false])
    func noFetch(isInstalled: Bool) throws {
        var machine = try SlotFixtures.committed()
        var words: [String] = []
        var last = SlotStep()
        let candidate = try SlotFixtures.generation(2, "0.9.0", 2)
        var events: [SlotEvent] = [
            .assigned(try SlotFixtures.target("0.9.0", generation: 2, soak: 0)),
            .planned(blobs: [], missing: .zero, installed: isInstalled),
        ]
        if !isInstalled { events += [.verified, .checked] }
        events += [
            .staged(candidate, owesEvaluation: false), .candidateReady(.sideBySide, milliseconds: 1), .probed,
            .switched(unavailableMilliseconds: 0),
        ]
        for event in events {
            last = machine.handle(event, now: now)
            words += last.actions.map(\.word)
        }
        #expect(!words.contains("fetch"))
        #expect(!words.contains("evaluate"))
        #expect(machine.record.phase == .committed && machine.record.current == candidate)
        #expect(machine.record.previous?.id == GenerationID(1))
        let success = try #require(last.reports.last)
        #expect(success.state == .succeeded)
        #expect(success.figures?.bytesFetched == 0)
    }

    @Test("does not carry the figures of the installation before")
    func freshFigures() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        _ = machine.handle(.planned(blobs: [], missing: ByteCount(5), installed: false), now: now)
        _ = machine.handle(.fetched(bytes: ByteCount(5), milliseconds: 3), now: now)
        #expect(machine.record.figures.bytesFetched == 5)
        let step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 3)), now: now)
        #expect(step.reports.last?.state == .succeeded)
        #expect(step.reports.last?.figures?.bytesFetched == 0)
    }

    @Test("from every phase to what is committed is done at once, without a plan", arguments: SlotPhase.allCases)
    func atOnce(phase: SlotPhase) throws {
        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.phase = phase
        if SlotPromises.hasCandidate.contains(phase) { record.candidate = try SlotFixtures.generation(2, "2.0.0", 2) }
        if phase == .waiting { record.retryAt = now }
        var machine = SlotMachine(record: record)
        let step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 3)), now: now)
        #expect(machine.record.phase == .committed)
        #expect(machine.record.current?.id == GenerationID(1) && machine.record.current?.assigned == 3)
        #expect(machine.record.candidate == nil && machine.record.override == nil && machine.record.retryAt == nil)
        #expect(step.actions.contains { $0.word == "serve 1.0.0" })
        #expect(!step.actions.contains { $0.isStepAtWork })
        #expect(step.reports.last?.state == .succeeded)
    }

    @Test("by emptying is whole from every phase", arguments: SlotPhase.allCases)
    func emptied(phase: SlotPhase) throws {
        var record = try SlotFixtures.committed().record
        record.phase = phase
        var machine = SlotMachine(record: record)
        let step = machine.handle(.unassigned, now: now)
        #expect(machine.record == SlotRecord(slot: record.slot))
        #expect(step.actions == [.cancelWork, .empty])
        let told = try #require(step.reports.last)
        #expect(told.code == "slotEmptied" && told.message?.isEmpty == false)
    }
}
