import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("A slot whose rollout sets conditions")
struct SlotConditionTests {
    private let now = SlotFixtures.start
    private static let night = UpdateConditions(windows: [MaintenanceWindow(startMinute: 60, minutes: 120)])

    private func assigned(_ conditions: UpdateConditions, device: String = "ward-1") throws -> (SlotMachine, SlotStep) {
        let committed = try SlotFixtures.committed().record
        var machine = SlotMachine(record: committed, device: device)
        let step = machine.handle(
            .assigned(try SlotFixtures.target("2.0.0", generation: 2, conditions: conditions)), now: now)
        return (machine, step)
    }

    @Test("It looks before it does anything, tells each reason once, and wakes at the time that it was told")
    func waits() throws {
        var (machine, step) = try assigned(Self.night)
        #expect(machine.record.phase == .offered && step.actions == [.look(Self.night, notBefore: nil)])
        let later = now + .seconds(600)
        step = machine.handle(.mustWait("Its window opens at 01:00.", until: later), now: now)
        #expect(step.reports.map(\.state) == [.offered] && step.reports.map(\.code) == ["waiting"])
        #expect(step.reports.first?.message == "Its window opens at 01:00." && step.actions == [.wake(later)])
        // A call that was for something else.
        #expect(machine.handle(.woke, now: now + .seconds(5)) == SlotStep())
        step = machine.handle(.woke, now: later)
        #expect(step.actions.map(\.word) == ["look"])
        #expect(
            machine.handle(.mustWait("Its window opens at 01:00.", until: later + .seconds(9)), now: later).reports
                .isEmpty)
        step = machine.handle(.woke, now: later + .seconds(9))
        step = machine.handle(.mustWait("It must run on mains power.", until: later + .seconds(60)), now: later)
        #expect(step.reports.map(\.message) == ["It must run on mains power."])
        _ = machine.handle(.woke, now: later + .seconds(60))
        step = machine.handle(.mayBegin, now: later + .seconds(60))
        #expect(machine.record.phase == .planning && step.actions.map(\.word) == ["plan"])
        step = machine.handle(.planned(blobs: [], missing: ByteCount(1), installed: false), now: later)
        #expect(step.reports.map(\.state) == [.downloading] && machine.record.waitsFor == nil)
    }

    @Test("What waits for a newer assignment begins as soon as the same one is signed again, and nothing else does")
    func signedAgain() throws {
        for (code, begins) in [("assignmentExpired", true), ("diskFull", false)] {
            var (machine, _) = try assigned(Self.night)
            _ = machine.handle(.mayBegin, now: now)
            let kind: SlotFailure.Kind = begins ? .transport : .retry
            _ = machine.handle(.failed(SlotFailure(kind, code: code, message: "No.")), now: now)
            #expect(machine.record.phase == .waiting)
            var target = try #require(machine.record.target)
            target.expires = now + .seconds(999_999)
            let step = machine.handle(.assigned(target), now: now)
            #expect(machine.record.target == target)
            #expect(step.actions.map(\.word) == (begins ? ["look"] : []), "\(code)")
            #expect(machine.record.phase == (begins ? .offered : .waiting))
        }
    }

    @Test("What the owner brought to the box is not replaced on its way by the assignment that it is against")
    func signedAgainAgainstLocal() throws {
        var machine = try SlotFixtures.committed()
        let brought = try SlotFixtures.target("3.0.0", generation: 5)
        _ = machine.handle(.installed(brought), now: now)
        #expect(machine.record.phase == .planning)
        var step = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 5)), now: now)
        #expect(step == SlotStep() && machine.record.target == brought)
        _ = machine.handle(.failed(SlotFailure(.retry, code: "diskFull", message: "No.")), now: now)
        step = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 5)), now: now)
        #expect(step == SlotStep() && machine.record.target == brought)
        // A newer decision about the slot counts.
        let newer = try SlotFixtures.target("2.0.0", generation: 6)
        _ = machine.handle(.assigned(newer), now: now)
        #expect(machine.record.target == newer && machine.record.override == nil)
    }

    @Test(
        "A board that is too hot for a candidate is waited for, told once, and counted as no try",
        arguments: [SlotPhase.planning, .starting])
    func held(phase: SlotPhase) throws {
        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.phase = phase
        if phase == .starting { record.candidate = try SlotFixtures.generation(2, "2.0.0", 2) }
        var machine = SlotMachine(record: record)
        let failure = SlotFailure(.held, code: "tooHot", message: "It is too hot.")
        var told: [SlotReport] = []
        var now = now
        for _ in 0..<40 {
            let step = machine.handle(.failed(failure), now: now)
            told += step.reports
            #expect(machine.record.phase == .waiting && machine.record.override == nil && machine.record.attempts == 0)
            #expect(machine.record.failedTry?.code == "tooHot" && machine.record.waitsFor == "It is too hot.")
            // It is looked at each minute, however long it lasts.
            let retryAt = try #require(machine.record.retryAt)
            #expect(retryAt == now + .seconds(60) && step.actions.contains(.wake(retryAt)))
            now = retryAt
            _ = machine.handle(.woke, now: now)
            #expect(machine.record.phase == .planning)
        }
        #expect(told.map(\.state) == [.offered] && told.map(\.code) == ["waiting"])
        // When it goes on, the registry hears of it; and of the next wait too.
        let step = machine.handle(.planned(blobs: [], missing: ByteCount(1), installed: false), now: now)
        #expect(step.reports.map(\.state) == [.downloading] && machine.record.waitsFor == nil)
        #expect(machine.handle(.failed(failure), now: now).reports.map(\.state) == [.offered])
    }

    @Test("Each device has its own time within the jitter, the same after a restart, another for another generation")
    func jitter() throws {
        let conditions = UpdateConditions(jitterSeconds: 3600)
        var times: Set<Timestamp> = []
        for number in 0..<50 {
            let (machine, _) = try assigned(conditions, device: "ward-\(number)")
            let time = try #require(machine.record.notBefore)
            #expect(time >= now && time < now + .seconds(3600))
            #expect(try assigned(conditions, device: "ward-\(number)").0.record.notBefore == time)
            var restarted = SlotMachine(
                record: try JSONText.decode(SlotRecord.self, from: JSONText.encode(machine.record)),
                device: "ward-\(number)")
            let step = restarted.handle(.started, now: now)
            #expect(step.actions.last == .look(conditions, notBefore: time))
            times.insert(time)
        }
        #expect(times.count == 50)
        let early = times.count { $0 < now + .seconds(1800) }
        #expect((10...40).contains(early), "\(early) of 50 in the first half")
    }

    @Test("A clock that is set back puts its turn off no further, also while a failure is waited out")
    func setBack() throws {
        var (machine, _) = try assigned(UpdateConditions(jitterSeconds: 3600))
        _ = machine.handle(.failed(SlotFailure(.retry, code: "simulated", message: "It was to fail.")), now: now)
        #expect(machine.record.phase == .waiting)
        let past = now - .seconds(1_000_000)
        _ = machine.handle(.started, now: past)
        #expect(try #require(machine.record.notBefore) < past + .seconds(3600))
    }

    @Test("While it waits, what serves is looked after as ever, and a new assignment takes its place")
    func whileWaiting() throws {
        var (machine, _) = try assigned(Self.night)
        _ = machine.handle(.mustWait("Later.", until: now + .seconds(600)), now: now)
        let lost = SlotFailure(.final, code: "crashLoop", message: "5 ends.")
        let step = machine.handle(.engineLost(GenerationID(1), lost), now: now)
        #expect(step.actions.map(\.word) == ["point", "serve 0.9.0"] && machine.record.phase == .offered)
        let next = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 3)), now: now)
        #expect(next.actions.map(\.word) == ["cancelWork", "plan"])
        #expect(machine.record.notBefore == nil && machine.record.waitsFor == nil && machine.record.lookAt == nil)
    }

    @Test("A quiet moment is awaited before the switch, which in replace mode is the candidate's start")
    func idle() throws {
        let conditions = UpdateConditions(idleSeconds: 30)
        for needsPlace in [false, true] {
            var (machine, step) = try assigned(conditions)
            #expect(step.actions.map(\.word) == ["plan"], "idleness holds up nothing at the beginning")
            let candidate = try SlotFixtures.generation(2, "2.0.0", 2)
            _ = machine.handle(.planned(blobs: [], missing: .zero, installed: true), now: now)
            step = machine.handle(.staged(candidate, owesEvaluation: false, needsPlace: needsPlace), now: now)
            if !needsPlace {
                _ = machine.handle(.candidateReady(.sideBySide, milliseconds: 1), now: now)
                step = machine.handle(.probed, now: now)
            }
            #expect(step.actions == [.awaitIdle(seconds: 30)] && machine.record.phase == .idling)
            step = machine.handle(.mustWait("Busy.", until: nil), now: now)
            #expect(step.reports.map(\.code) == ["waiting"] && step.actions.isEmpty)
            step = machine.handle(.mayBegin, now: now)
            #expect(step.actions.map(\.word) == [needsPlace ? "startCandidate" : "switchOver"])
            guard needsPlace else { continue }
            _ = machine.handle(.candidateReady(.replace, milliseconds: 1), now: now)
            step = machine.handle(.probed, now: now)
            #expect(step.actions.map(\.word) == ["switchOver"], "requests wait already")
        }
    }
}

@Suite("A slot whose rollout shadows")
struct SlotShadowTests {
    private let now = SlotFixtures.start
    private static let policy = ShadowPolicy(samples: 10, minAgreementPermille: 800)

    /// A slot whose candidate answered its probes.
    private func probed(
        _ swap: SwapMode = .sideBySide, hasCurrent: Bool = true, isReturn: Bool = false, owes: Bool = false
    ) throws -> (SlotMachine, SlotStep) {
        var record = try SlotFixtures.committed().record
        if !hasCurrent { record = SlotRecord(slot: record.slot) }
        var machine = SlotMachine(record: record)
        var step = SlotStep()
        for event in [
            SlotEvent.assigned(try SlotFixtures.target("2.0.0", generation: 2, shadow: Self.policy)),
            .planned(blobs: [], missing: isReturn ? .zero : ByteCount(1), installed: isReturn),
            .fetched(bytes: ByteCount(1), milliseconds: 1), .verified, .checked,
            .staged(try SlotFixtures.generation(2, "2.0.0", 2), owesEvaluation: owes),
            .candidateReady(swap, milliseconds: 1), .probed,
        ] { step = machine.handle(event, now: now) }
        return (machine, step)
    }

    @Test("The candidate is shadowed after its evaluation, tells how far it is, and is switched to")
    func agrees() throws {
        var (machine, step) = try probed(owes: true)
        #expect(step.actions.map(\.word) == ["evaluate"])
        step = machine.handle(.evaluated(SlotFixtures.result(10)), now: now)
        #expect(step.actions.map(\.word) == ["shadow"] && machine.record.phase == .shadowing)
        step = machine.handle(.shadowProgress(SlotFixtures.shadowed(3, of: 3)), now: now)
        #expect(step.reports.map(\.state) == [.probing] && step.reports.first?.figures?.shadow?.compared == 3)
        step = machine.handle(.shadowed(SlotFixtures.shadowed(9)), now: now)
        #expect(step.actions.map(\.word) == ["switchOver"] && step.reports.map(\.state) == [.switching])
        _ = machine.handle(.switched(unavailableMilliseconds: 0), now: now)
        #expect(machine.record.figures.shadow?.agreed == 9)
    }

    @Test("A candidate that answers otherwise is refused here, with its figures, and what serves goes on")
    func disagrees() throws {
        var (machine, _) = try probed()
        let step = machine.handle(.shadowed(SlotFixtures.shadowed(2, of: 5)), now: now)
        #expect(machine.record.phase == .failed && machine.record.override?.code == "shadowDisagreed")
        #expect(step.actions.map(\.word) == ["cancelWork", "endOthers", "serve 1.0.0", "collect"])
        #expect(step.reports.map(\.code) == ["shadowDisagreed"] && step.reports.first?.figures?.shadow?.agreed == 2)
        #expect(step.reports.first?.message?.contains("2 of 5 answers agreed") == true)
    }

    @Test("Too little to judge by is told as such, and goes on")
    func inconclusive() throws {
        for result in [SlotFixtures.shadowed(4, of: 4), SlotFixtures.shadowed(0, of: 0)] {
            var (machine, _) = try probed()
            let step = machine.handle(.shadowed(result), now: now)
            #expect(step.reports.map(\.code) == ["shadowInconclusive", nil])
            #expect(step.actions.map(\.word) == ["switchOver"])
        }
    }

    @Test("Where nothing can be shadowed that is told with a code, never passed over in silence")
    func notPossible() throws {
        for (swap, hasCurrent, words) in [(SwapMode.replace, true, "memory"), (.sideBySide, false, "nothing serves")] {
            let (machine, step) = try probed(swap, hasCurrent: hasCurrent)
            #expect(step.reports.first?.code == "shadowNotPossible")
            #expect(step.reports.first?.message?.contains(words) == true)
            #expect(machine.record.phase == .switching)
        }
        var (machine, _) = try probed()
        let step = machine.handle(.shadowNotPossible("what serves makes no embeddings"), now: now)
        #expect(step.reports.map(\.code) == ["shadowNotPossible", nil] && machine.record.phase == .switching)
    }

    @Test("What is gone back to is not shadowed again")
    func back() throws {
        var record = try SlotFixtures.committed().record
        record.previous = try SlotFixtures.generation(0, "2.0.0", 0)
        var machine = SlotMachine(record: record)
        for event in [
            SlotEvent.assigned(try SlotFixtures.target("2.0.0", generation: 2, shadow: Self.policy)),
            .planned(blobs: [], missing: .zero, installed: true),
            .staged(try SlotFixtures.generation(2, "2.0.0", 2), owesEvaluation: false),
            .candidateReady(.sideBySide, milliseconds: 1), .probed,
        ] { _ = machine.handle(event, now: now) }
        #expect(machine.record.phase == .switching)
    }

    @Test("A candidate whose engine ends while it is shadowed failed")
    func crashes() throws {
        var (machine, _) = try probed()
        let step = machine.handle(
            .engineLost(GenerationID(2), SlotFailure(.final, code: "engineExited", message: "It ended.")), now: now)
        #expect(machine.record.override?.code == "engineExited" && step.reports.map(\.state) == [.failed])
    }
}
