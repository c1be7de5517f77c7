import AgentEngine
import AgentStore
import MartletTypes
import Testing
import Trust

@Suite("A slot and what publishers took back")
struct SlotTakenBackTests {
    private let now = SlotFixtures.start
    private let lost = SlotEvent.engineLost(GenerationID(1), SlotFailure(.final, code: "crashLoop", message: "5 ends."))

    private func known(yanked: [String] = [], floor: String? = nil) throws -> TakenBack {
        var known = TakenBack()
        for version in yanked {
            known.noteYank(try ReleasePath("clinic/triage/\(version)"), at: .init(versions: ["clinic": 1]))
        }
        if let floor {
            let statement = ReleaseFloor(version: try SemanticVersion(floor), number: 1, reason: "wrong doses")
            known.note(statement, of: try RepositoryName("clinic/triage"))
        }
        return known
    }

    @Test("A previous generation below its floor is never started, even where nothing else can serve")
    func belowFloor() throws {
        var machine = try SlotFixtures.committed()
        let before = machine.record
        let step = machine.handle(lost, now: now, takenBack: try known(yanked: ["0.9.0"], floor: "1.0.0"))
        #expect(step.actions.isEmpty && machine.record == before)
        let told = try #require(step.reports.first)
        #expect(told.code == "crashLoop" && told.message?.contains("below the floor 1.0.0") == true)
        #expect(told.message?.contains("wrong doses") == true)
    }

    @Test("A previous generation that was yanked serves where nothing else can, and is told of as such")
    func yanked() throws {
        var machine = try SlotFixtures.committed()
        let step = machine.handle(lost, now: now, takenBack: try known(yanked: ["0.9.0"]))
        #expect(step.actions.map(\.word).contains("serve 0.9.0"))
        #expect(step.reports.map(\.code) == ["crashLoop", "servesYanked"])
        #expect(machine.record.current?.paths.map(\.reference) == ["clinic/triage:0.9.0"])
    }

    @Test("An installation of what is taken back ends, and what serves goes on", arguments: SlotPhase.allCases)
    func installation(phase: SlotPhase) throws {
        var record = try SlotFixtures.committed().record
        record.target = try SlotFixtures.target("2.0.0", generation: 2)
        record.phase = phase
        if SlotPromises.hasCandidate.contains(phase) { record.candidate = try SlotFixtures.generation(2, "2.0.0", 2) }
        var machine = SlotMachine(record: record)
        let takenBack = try known(yanked: ["2.0.0"])
        let refusal = try #require(takenBack.refusal(of: try ReleasePath("clinic/triage/2.0.0")))
        let step = machine.handle(.tookBack([refusal]), now: now, takenBack: takenBack)
        #expect(machine.record.current == record.current)
        guard ![.idle, .committed, .failed, .waiting].contains(phase) else {
            #expect(machine.record == record && step == SlotStep())
            return
        }
        #expect(machine.record.phase == .failed && machine.record.candidate == nil)
        #expect(machine.record.override?.code == "yanked")
        #expect(step.reports.map(\.code) == ["yanked"])
    }

    @Test("What serves is told of when it is taken back, and goes on")
    func serving() throws {
        for (takenBack, code) in [
            (try known(yanked: ["1.0.0"]), "servesYanked"), (try known(floor: "1.1.0"), "servesBelowFloor"),
        ] {
            var machine = try SlotFixtures.committed()
            let before = machine.record
            let refusal = try #require(takenBack.refusal(of: try ReleasePath("clinic/triage/1.0.0")))
            let step = machine.handle(.tookBack([refusal]), now: now, takenBack: takenBack)
            #expect(step.actions.isEmpty && machine.record == before)
            #expect(step.reports.map(\.code) == [code])
            #expect(step.reports.first?.state == nil, "no rollout is to blame")
        }
    }

    @Test("A local decision holds against other content under the same number, and ends with a higher one")
    func overrideHolds() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        _ = machine.handle(.failed(SlotFailure(.final, code: "evaluationFailed", message: "m")), now: now)
        for generation in [Int64(2), 1] {
            let step = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: generation)), now: now)
            #expect(machine.record.phase == .failed && machine.record.override?.generation == 2)
            #expect(step.actions.isEmpty)
            #expect(step.reports.map(\.code) == ["overrideHolds"])
        }
        let step = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 3)), now: now)
        #expect(machine.record.phase == .planning && machine.record.override == nil)
        #expect(step.actions.map(\.word).contains("plan"))
    }

    @Test("Where assignments are counted anew, no local decision outlasts the former count")
    func renumbered() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 900_000)), now: now)
        _ = machine.handle(.failed(SlotFailure(.final, code: "evaluationFailed", message: "m")), now: now)
        #expect(machine.handle(.renumbered, now: now) == SlotStep())
        _ = machine.handle(.assigned(try SlotFixtures.target("3.0.0", generation: 1)), now: now)
        #expect(machine.record.phase == .planning && machine.record.override == nil)
    }

    @Test("Blobs that come and do not last are waited for longer and longer")
    func rottingDisk() throws {
        var machine = try SlotFixtures.committed()
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        var pauses: [Duration] = []
        for _ in 0..<6 {
            _ = machine.handle(.planned(blobs: [], missing: ByteCount(5), installed: false), now: now)
            _ = machine.handle(.fetched(bytes: ByteCount(5), milliseconds: 3), now: now)
            _ = machine.handle(.failed(SlotFailure(.retry, code: "blobMissing", message: "m")), now: now, random: 1)
            let retryAt = try #require(machine.record.retryAt)
            pauses.append(retryAt - now)
            _ = machine.handle(.woke, now: retryAt)
        }
        #expect(pauses == [2, 4, 8, 16, 32, 64].map { .seconds($0) })
    }
}
