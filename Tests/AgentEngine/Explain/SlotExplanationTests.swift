import AgentStore
import MartletTypes
import Testing
import Trust

@testable import AgentEngine

@Suite("Why a slot runs what it runs")
struct SlotExplanationTests {
    private static let policy = LocalPolicy(otherSlots: ["clinic/*"])

    /// A slot that serves 1.0.0 and shall run 2.0.0, changed by `change`.
    private func slot(_ change: (inout SlotRecord) throws -> Void = { _ in }) throws -> SlotRecord {
        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 5)
        record.target?.assignment.rollout = try RolloutID("r-20")
        record.phase = .planning
        try change(&record)
        return record
    }

    private func explain(
        _ record: SlotRecord, serving: GenerationID? = GenerationID(1), policy: LocalPolicy = policy,
        _ around: Explanation.Slot.Surroundings = .init()
    ) -> Explanation.Slot {
        Explanation.Slot(record, serving: serving, policy: policy, around)
    }

    @Test("What is wanted and runs needs no excuse, and says who wanted it")
    func fulfilled() throws {
        let record = try SlotFixtures.committed().record
        let slot = explain(record)
        #expect(slot.serves.map(\.reference) == ["clinic/triage:1.0.0"])
        #expect(slot.because.hasPrefix("It is what is wanted; installed at"))
        #expect(slot.wanted == slot.serves && slot.wantedBy.contains("Assignment 1, slot generation 1 by hand"))
        #expect(slot.blocked == nil && slot.policy == ["clinic/*"])
    }

    @Test("A slot that nothing is assigned to, or that never had anything, says so")
    func empty() throws {
        let slot = explain(SlotRecord(slot: try SlotFixtures.slot()), serving: nil)
        #expect(slot.serves.isEmpty && slot.because == "Nothing was ever installed here.")
        #expect(slot.wanted.isEmpty && slot.wantedBy == "No assignment names the slot." && slot.blocked == nil)
        let dead = explain(try SlotFixtures.committed().record, serving: nil)
        #expect(dead.because.contains("log/triage.log") && dead.blocked?.code == "committed")
    }

    @Test("What was wanted names its assignment and rollout, and what serves meanwhile where it comes from")
    func wanted() throws {
        let slot = explain(try slot())
        #expect(slot.wanted.map(\.reference) == ["clinic/triage:2.0.0"])
        #expect(slot.wantedBy.hasPrefix("Assignment 5, slot generation 5 by rollout r-20, good until"))
        #expect(slot.because.hasPrefix("It was assigned before (slot generation 1, installed at"))
        #expect(slot.blocked?.code == "planning")
    }

    @Test("A candidate that proves itself serves because it is wanted")
    func soaking() throws {
        let record = try slot {
            $0.phase = .soaking
            $0.candidate = SlotFixtures.generation(9, try SlotFixtures.target("2.0.0", generation: 5), slot: $0.slot)
            $0.soakEnds = SlotFixtures.start
        }
        let slot = explain(record, serving: GenerationID(9))
        #expect(slot.because == "It is wanted, and proves itself until \(SlotFixtures.start).")
        #expect(slot.blocked == nil)
    }

    /// What stands in the way, with the code that is told.
    struct Obstacle: Sendable, CustomTestStringConvertible {
        var code: String
        var says: String
        var remedy: String
        var policy = SlotExplanationTests.policy
        var around = Explanation.Slot.Surroundings()
        var change: @Sendable (inout SlotRecord) throws -> Void = { _ in }

        var testDescription: String { code }
    }

    private static func override(_ code: String) -> @Sendable (inout SlotRecord) -> Void {
        { record in
            record.phase = .failed
            record.override = SlotOverride(
                generation: 5, code: code, message: "3 of 10 rows were right.", time: SlotFixtures.start)
        }
    }

    private static let waiting: @Sendable (inout SlotRecord) -> Void = { record in
        record.phase = .waiting
        record.attempts = 2
        record.retryAt = SlotFixtures.start + .seconds(60)
        record.failedTry = SlotOverride(
            generation: 5, code: "digestMismatch", message: "sha256:12 of clinic/triage:2.0.0 is damaged.",
            time: SlotFixtures.start)
    }

    private static var obstacles: [Obstacle] {
        get throws {
            var takenBack = TakenBack()
            takenBack.noteYank(try ReleasePath("clinic/triage/2.0.0"), at: TakenBack.Position(versions: ["clinic": 4]))
            return [
                Obstacle(
                    code: "policyRefused", says: "slot triage may run factory/*, not clinic/triage", remedy: "owner",
                    policy: LocalPolicy(otherSlots: ["factory/*"]), change: override("evaluationFailed")),
                Obstacle(
                    code: "yanked", says: "withdrawn by its publisher", remedy: "another release",
                    around: .init(takenBack: takenBack)),
                Obstacle(
                    code: "evaluationFailed", says: "3 of 10 rows", remedy: "not tried again",
                    change: override("evaluationFailed")),
                Obstacle(
                    code: "somethingNew", says: "3 of 10 rows", remedy: "assign another release",
                    change: override("somethingNew")),
                Obstacle(
                    code: "storeReadOnly", says: "takes no writes", remedy: "writable",
                    around: .init(problem: .init("storeReadOnly", "The data folder takes no writes."))),
                Obstacle(
                    code: "clockUntrusted", says: "The clock says 1970", remedy: "Set the clock",
                    around: .init(clockDistrust: "The clock says 1970.")),
                Obstacle(
                    code: "digestMismatch", says: "After 2 tries: sha256:12", remedy: "fetched again", change: waiting),
                Obstacle(
                    code: "tooHot", says: "warmer than 82", remedy: "Cool the box",
                    change: {
                        $0.phase = .waiting
                        $0.waitsFor = "The board is warmer than 82 °C."
                        $0.failedTry = SlotOverride(
                            generation: 5, code: "tooHot", message: "The board is warmer than 82 °C.",
                            time: SlotFixtures.start)
                    }),
                Obstacle(
                    code: "waiting", says: "on mains power", remedy: "goes on by itself",
                    change: {
                        $0.phase = .offered
                        $0.waitsFor = "The box must be on mains power."
                    }),
                Obstacle(
                    code: "waiting", says: "no request for 60 s", remedy: "goes on by itself",
                    change: {
                        $0.phase = .idling
                        $0.waitsFor = "The slot must have had no request for 60 s."
                    }),
                Obstacle(
                    code: "fetching", says: "Its bytes are fetched.", remedy: "Wait", change: { $0.phase = .fetching }),
            ]
        }
    }

    @Test("What stands in the way has a code, a sentence and a remedy, the decisive one first")
    func blocked() throws {
        for obstacle in try Self.obstacles {
            let record = try slot(obstacle.change)
            let blocked = explain(record, policy: obstacle.policy, obstacle.around).blocked
            #expect(blocked?.code == obstacle.code)
            #expect(blocked?.message.contains(obstacle.says) == true, "\(String(describing: blocked))")
            #expect(blocked?.remedy.contains(obstacle.remedy) == true, "\(String(describing: blocked))")
        }
        #expect(explain(try slot(Self.waiting)).retryAt == SlotFixtures.start + .seconds(60))
    }

    @Test("What was gone back to after crashes says so")
    func crashLoop() throws {
        let record = try slot {
            Self.override("crashLoop")(&$0)
            $0.current = try SlotFixtures.generation(1, "1.0.0", 1)
        }
        let slot = explain(record)
        #expect(slot.because.contains("gone back to") && slot.blocked?.code == "crashLoop")
    }

    @Test("A failed try is kept for people until the slot's target changes or is reached")
    func failedTry() throws {
        var machine = try SlotFixtures.committed()
        let now = SlotFixtures.start
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 5)), now: now)
        _ = machine.handle(.failed(SlotFailure(.retry, code: "diskFull", message: "No room.")), now: now)
        #expect(machine.record.failedTry?.code == "diskFull" && machine.record.failedTry?.message == "No room.")
        _ = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 6)), now: now)
        #expect(machine.record.failedTry == nil)
    }

    @Test("Every remedy is a sentence, and what nobody foresaw has one too")
    func remedies() {
        for code in ["policyRefused", "cannotConnect", "neverHeardOf"] {
            #expect(Remedy.of(code).hasSuffix("."))
        }
        #expect(Remedy.of("cannotConnect") == "It is tried again by itself.")
    }
}
