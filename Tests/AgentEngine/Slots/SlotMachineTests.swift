import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("The slot's table of transitions")
struct SlotMachineTests {
    private let now = SlotFixtures.start

    /// Sends events and returns the phases they led to.
    private func phases(_ machine: inout SlotMachine, _ events: [SlotEvent]) -> [SlotPhase] {
        events.map { event in
            _ = machine.handle(event, now: now)
            return machine.record.phase
        }
    }

    private func installEvents(_ candidate: GenerationRecord, swap: SwapMode = .sideBySide) -> [SlotEvent] {
        [
            .planned(blobs: [], missing: ByteCount(10), installed: false),
            .fetched(bytes: ByteCount(10), milliseconds: 1), .verified, .checked,
            .staged(candidate, owesEvaluation: false), .candidateReady(swap, milliseconds: 5), .probed,
            .switched(unavailableMilliseconds: 0),
        ]
    }

    @Test("An installation passes every phase in order and commits after the soak")
    func wholeWay() throws {
        var machine = try SlotFixtures.committed()
        let target = try SlotFixtures.target("2.0.0", generation: 2)
        let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        let passed = phases(&machine, [.assigned(target)] + installEvents(candidate))
        #expect(
            passed == [
                .planning, .fetching, .verifying, .checking, .checking, .starting, .probing, .switching, .soaking,
            ])
        #expect(machine.record.current?.id == GenerationID(1))
        let early = machine.handle(.woke, now: now + .seconds(9))
        #expect(early.actions == [.wake(now + .seconds(10))] && machine.record.phase == .soaking)
        let step = machine.handle(.woke, now: now + .seconds(10))
        #expect(machine.record.phase == .committed)
        #expect(machine.record.current == candidate)
        #expect(machine.record.previous?.id == GenerationID(1))
        #expect(machine.record.candidate == nil)
        #expect(step.actions.map(\.word) == ["point", "serve 2.0.0", "collect"])
        #expect(step.reports.map(\.state) == [.succeeded])
        #expect(step.reports.first?.figures?.bytesFetched == 10)
    }

    @Test("What is on disk is staged at once: nothing is fetched, verified or checked again")
    func goingBack() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("0.9.0", generation: 2)), now: now)
        let step = machine.handle(.planned(blobs: [], missing: .zero, installed: true), now: now)
        #expect(step.actions.map(\.word) == ["stage"])
        #expect(machine.record.phase == .checking)
    }

    @Test("A slot that already has the content adopts the new assignment without touching an engine")
    func sameContent() throws {
        var machine = try SlotFixtures.committed()
        let step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 7)), now: now)
        #expect(machine.record.phase == .committed)
        #expect(machine.record.current?.assigned == 7)
        #expect(step.reports.map(\.state) == [.succeeded])
        #expect(step.actions.map(\.word) == ["serve 1.0.0", "collect"])
    }

    @Test("The same assignment again changes nothing but its end")
    func sameAssignment() throws {
        var machine = try SlotFixtures.committed()
        let step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 1)), now: now)
        #expect(step == SlotStep())
    }

    @Test(
        "The evaluation runs before the switch where memory holds both, else while soaking",
        arguments: [
            (SwapMode.sideBySide, UpdatePolicy.EvaluationTime.beforeSwitch, SlotPhase.evaluating),
            (.replace, .beforeSwitch, .switching), (.sideBySide, .whileSoaking, .switching),
            (.replace, .whileSoaking, .switching),
        ])
    func evaluationTime(_ swap: SwapMode, _ time: UpdatePolicy.EvaluationTime, _ expected: SlotPhase) throws {
        var machine = try SlotFixtures.committed()
        let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        let passed = phases(
            &machine,
            [
                .assigned(try SlotFixtures.target("2.0.0", generation: 2, soak: 0, evaluation: time)),
                .planned(blobs: [], missing: .zero, installed: true), .staged(candidate, owesEvaluation: true),
                .candidateReady(swap, milliseconds: 1), .probed,
            ])
        #expect(passed.last == expected)
        guard expected == .switching else { return }
        let step = machine.handle(.switched(unavailableMilliseconds: 0), now: now)
        #expect(step.actions.map(\.word) == ["evaluate"])
        #expect(machine.record.phase == .soaking)
        _ = machine.handle(.evaluated(SlotFixtures.result(10)), now: now)
        #expect(machine.record.phase == .committed)
    }

    @Test("An evaluation under its threshold ends the candidate with its figures, before the switch and after")
    func belowThreshold() throws {
        for swap in [SwapMode.sideBySide, .replace] {
            var machine = try SlotFixtures.committed()
            let candidate = try SlotFixtures.generation(2, "3.0.0", 2)
            _ = phases(
                &machine,
                [
                    .assigned(try SlotFixtures.target("3.0.0", generation: 2)),
                    .planned(blobs: [], missing: .zero, installed: true), .staged(candidate, owesEvaluation: true),
                    .candidateReady(swap, milliseconds: 1), .probed, .switched(unavailableMilliseconds: 4),
                ])
            let step = machine.handle(.evaluated(SlotFixtures.result(83, of: 100)), now: now)
            #expect(machine.record.phase == .failed)
            #expect(machine.record.candidate == nil)
            #expect(machine.record.override?.code == "evaluationFailed")
            #expect(machine.record.override?.generation == 2)
            #expect(step.actions.map(\.word) == ["cancelWork", "endOthers", "serve 1.0.0", "collect"])
            let report = try #require(step.reports.last)
            #expect(report.state == .failed && report.code == "evaluationFailed")
            #expect(report.message == "83 of 100 rows were right (83.0 %), under the demanded 90.0 %.")
            #expect(report.figures?.evaluation?.correct == 83)
        }
    }

    @Test("A failed release is not tried again until the slot's generation rises")
    func override() throws {
        var machine = try SlotFixtures.committed()
        let bad = try SlotFixtures.target("3.0.0", generation: 2)
        _ = machine.handle(.assigned(bad), now: now)
        _ = machine.handle(.failed(SlotFailure(.final, code: "engineExited", message: "It ended.")), now: now)
        #expect(machine.record.phase == .failed)
        var again = bad
        again.number = 9
        #expect(machine.handle(.assigned(again), now: now).actions.isEmpty)
        #expect(machine.record.phase == .failed)
        let step = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 3)), now: now)
        #expect(step.actions.map(\.word) == ["plan"])
        #expect(machine.record.override == nil)
    }

    @Test("A release that does not fit is reported as skipped")
    func skipped() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        let step = machine.handle(.failed(SlotFailure(.skipped, code: "noVariantFits", message: "Too big.")), now: now)
        #expect(step.reports.map(\.state) == [.skipped])
        #expect(machine.record.phase == .failed)
    }

    @Test("What may heal is tried again with doubled pauses up to the longest, and reported once")
    func retries() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        var pauses: [Int64] = []
        var reports = 0
        for _ in 0..<12 {
            let step = machine.handle(
                .failed(SlotFailure(.retry, code: "digestMismatch", message: "Wrong bytes.")), now: now, random: 1)
            reports += step.reports.count
            let retryAt = try #require(machine.record.retryAt)
            pauses.append((retryAt - now).components.seconds)
            #expect(machine.record.phase == .waiting)
            _ = machine.handle(.woke, now: retryAt)
            #expect(machine.record.phase == .planning)
        }
        #expect(pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])
        #expect(reports == 1)
    }

    @Test("A registry that is away is not held against a release")
    func transport() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        var states: [DeviceRolloutState?] = []
        for _ in 0..<5 {
            let step = machine.handle(
                .failed(SlotFailure(.transport, code: "timedOut", message: "Nobody answers.")), now: now)
            states += step.reports.map(\.state)
            _ = machine.handle(.woke, now: now + .seconds(3600))
        }
        #expect(states == [.downloading])
        #expect(machine.record.override == nil)
    }

    @Test(
        "A newer assignment ends the one at work and is reported as superseding it; what is committed serves meanwhile")
    func superseded() throws {
        var machine = try SlotFixtures.committed()
        let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        _ = phases(&machine, [.assigned(try SlotFixtures.target("2.0.0", generation: 2))] + installEvents(candidate))
        #expect(machine.record.phase == .soaking)
        let step = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 3)), now: now)
        #expect(step.reports.map(\.state) == [.superseded])
        #expect(step.actions.map(\.word) == ["cancelWork", "endOthers", "serve 1.0.0", "plan"])
    }

    @Test("Taken back while the candidate soaks, the slot is at once where it was")
    func takenBackLate() throws {
        var machine = try SlotFixtures.committed()
        let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        _ = phases(&machine, [.assigned(try SlotFixtures.target("2.0.0", generation: 2))] + installEvents(candidate))
        let step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 3)), now: now)
        #expect(step.actions.map(\.word) == ["cancelWork", "endOthers", "serve 1.0.0", "collect"])
        #expect(step.reports.map(\.state) == [.superseded, .succeeded])
        #expect(machine.record.phase == .committed && machine.record.candidate == nil)
    }

    @Test("Taken back while the candidate loads, the slot is at once where it was")
    func takenBackEarly() throws {
        var machine = try SlotFixtures.committed()
        let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        _ = phases(
            &machine, [.assigned(try SlotFixtures.target("2.0.0", generation: 2))] + installEvents(candidate).prefix(5))
        #expect(machine.record.phase == .starting)
        let step = machine.handle(.assigned(try SlotFixtures.target("1.0.0", generation: 3)), now: now)
        #expect(step.actions.map(\.word) == ["cancelWork", "endOthers", "serve 1.0.0", "collect"])
        #expect(step.reports.map(\.state) == [.superseded, .succeeded])
        #expect(machine.record.phase == .committed && machine.record.candidate == nil)
    }

    @Test("A slot that is no longer assigned is emptied")
    func unassigned() throws {
        var machine = try SlotFixtures.committed()
        let step = machine.handle(.unassigned, now: now)
        #expect(step.actions.map(\.word) == ["cancelWork", "empty"])
        #expect(machine.record == SlotRecord(slot: try SlotFixtures.slot()))
        #expect(machine.handle(.unassigned, now: now) == SlotStep())
    }

    @Test("A crash loop brings the previous generation back, once")
    func crashLoop() throws {
        var machine = try SlotFixtures.committed()
        let failure = SlotFailure(.final, code: "crashLoop", message: "5 ends.")
        let step = machine.handle(.engineLost(GenerationID(1), failure), now: now)
        #expect(step.actions.map(\.word) == ["point", "serve 0.9.0"])
        #expect(machine.record.current?.id == GenerationID(0))
        #expect(machine.record.override?.code == "crashLoop")
        #expect(machine.handle(.engineLost(GenerationID(0), failure), now: now).actions.isEmpty)
    }

    @Test("A candidate that ends while soaking is replaced by what served before")
    func candidateLost() throws {
        var machine = try SlotFixtures.committed()
        let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
        _ = phases(&machine, [.assigned(try SlotFixtures.target("2.0.0", generation: 2))] + installEvents(candidate))
        let failure = SlotFailure(.final, code: "engineExited", message: "It ended.")
        let step = machine.handle(.engineLost(GenerationID(2), failure), now: now)
        #expect(step.actions.map(\.word) == ["cancelWork", "endOthers", "serve 1.0.0", "collect"])
        #expect(machine.record.phase == .failed)
    }

    @Test("A first release that fails leaves nothing running")
    func firstFails() throws {
        var machine = SlotMachine(record: SlotRecord(slot: try SlotFixtures.slot()))
        let candidate = try SlotFixtures.generation(1, "1.0.0", 1)
        _ = phases(
            &machine, [.assigned(try SlotFixtures.target("1.0.0", generation: 1))] + installEvents(candidate).prefix(6))
        let step = machine.handle(.failed(SlotFailure(.final, code: "probeFailed", message: "No.")), now: now)
        #expect(step.actions.map(\.word) == ["cancelWork", "endAll", "collect"])
    }

    @Test("Results that nobody waits for change nothing", arguments: SlotPhase.allCases)
    func strayResults(_ phase: SlotPhase) throws {
        var record = try SlotFixtures.committed().record
        record.phase = phase
        let expected: [SlotPhase: Set<String>] = [
            .planning: ["planned"], .fetching: ["fetched"], .verifying: ["verified"], .checking: ["checked", "staged"],
            .starting: ["candidate ready"], .probing: ["probed"], .evaluating: ["evaluated"],
            .switching: ["switched"], .soaking: ["evaluated"], .offered: ["may begin"], .idling: ["may begin"],
        ]
        let results: [SlotEvent] = [
            .planned(blobs: [], missing: .zero, installed: false), .fetched(bytes: .zero, milliseconds: 0), .verified,
            .checked, .staged(try SlotFixtures.generation(9, "9.0.0", 9), owesEvaluation: false),
            .candidateReady(.sideBySide, milliseconds: 0), .probed, .evaluated(SlotFixtures.result(10)),
            .switched(unavailableMilliseconds: 0), .mayBegin, .shadowed(SlotFixtures.shadowed(10)),
            .shadowNotPossible("x"), .shadowProgress(SlotFixtures.shadowed(1)),
        ]
        for result in results where expected[phase]?.contains(result.name) != true {
            var machine = SlotMachine(record: record)
            #expect(machine.handle(result, now: now) == SlotStep(), "\(result.name) in \(phase)")
            #expect(machine.record == record)
        }
    }
}
