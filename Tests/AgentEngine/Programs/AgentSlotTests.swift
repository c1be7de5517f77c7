import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing
import Trust

/// The agent's own slot, with a folder in place of a box and a count in place of restarts.
@Suite("The slot of the agent")
struct AgentSlotTests {
    /// What happened outside.
    private final class Seen: Sendable {
        let restarts = Mutex(0)
        let lost = Mutex<[SlotFailure]>([])
    }

    private struct Box: Sendable {
        let scratch: TemporaryFolder
        let store: AgentStore
        let seen = Seen()

        init() async throws {
            scratch = try TemporaryFolder("agentslot")
            store = try await AgentStore.open(root: scratch.file("data"))
        }

        var folder: ProgramFolder { ProgramFolder(data: store.layout.root) }

        /// A slot as an agent sees it that runs `running`, where programs say of themselves what `facts` says.
        func slot(
            running: AgentProgram? = nil,
            facts: @escaping @Sendable (String) throws -> ProgramFacts = { _ in throw NeverTrue(description: "asked") }
        ) -> AgentSlot {
            let seen = seen
            let programs = AgentPrograms(
                folder: folder, running: running?.digest, installed: "/installed", trialSeconds: 5,
                describe: { path in try facts(path) }, restart: { seen.restarts.withLock { $0 += 1 } })
            return AgentSlot(programs: programs, store: store) { news in
                if case .lost(_, let failure) = news { seen.lost.withLock { $0.append(failure) } }
            }
        }

        var restarts: Int { seen.restarts.withLock { $0 } }
        var lost: [SlotFailure] { seen.lost.withLock { $0 } }

        /// A generation whose program is in the store.
        func generation(_ id: Int64, _ version: String) async throws -> (record: GenerationRecord, AgentProgram) {
            let bytes = Array("program \(version)".utf8)
            let path = try ReleasePath("platform/martlet-agent/\(version)")
            let target = SlotTarget(
                assignment: SlotAssignment(
                    releases: [AssignedRelease(path: path, indexDigest: .of([1]), length: 1)], generation: id),
                number: id, expires: SlotFixtures.start)
            let record = try await SlotFixtures.program(bytes, target, in: store)
            return (record, AgentProgram(digest: .of(bytes), version: try SemanticVersion(version)))
        }
    }

    /// Runs what does not return in the program that calls it, until `condition` holds.
    private func until(
        _ condition: @escaping @Sendable () -> Bool, _ work: @escaping @Sendable () async throws -> Void
    ) async throws {
        let task = Task { try await work() }
        let end = ContinuousClock.now + .seconds(30)
        while !condition(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(condition())
    }

    private func own() throws -> ProgramFacts { try #require(ProgramFacts.own) }

    @Test("a candidate is put in place, asked what it is, and started on trial by the program before it")
    func trial() async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        var facts = try own()
        facts.version = program.version
        let slot = box.slot { [facts] _ in facts }
        #expect(try await slot.startCandidate(record).mode == .sideBySide)
        #expect(box.folder.isSound(program.digest))
        try await slot.probe(record, quick: false)
        try await until({ box.restarts == 1 }) { _ = try await slot.switchOver(record) }
        #expect(box.folder.trial == AgentTrial(program: program, generation: record.id, seconds: 5))

        // In the program on trial: it switched over once the registry answered, and not before.
        let next = box.slot(running: program)
        #expect(try await next.startCandidate(record).mode == .sideBySide)
        try await next.probe(record, quick: false)
        let switching = Task { try await next.switchOver(record) }
        try box.folder.confirm(program.digest)
        #expect(try await switching.value == .zero)
        #expect(box.folder.current == program && box.restarts == 1)
        try await next.serve(record, mayRest: false)
        #expect(await next.serving() == record.id)
        await box.store.close()
    }

    @Test("one that was taken back is not tried again by that try, and is by another", arguments: AgentReturn.allCases)
    func takenBack(_ reason: AgentReturn) async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        let slot = box.slot()
        _ = try await slot.startCandidate(record)
        try box.folder.begin(AgentTrial(program: program, generation: record.id, seconds: 5))
        try box.folder.takeBack(program.digest, reason)
        await #expect { _ = try await slot.startCandidate(record) } throws: {
            let failure = $0 as? SlotFailure
            return failure?.code == "agentReturned" && failure?.kind == .final
                && failure?.message.hasSuffix(reason.sentence) == true
        }
        var again = record
        again.id = GenerationID(4)
        #expect(try await slot.startCandidate(again).mode == .sideBySide)
        #expect(box.restarts == 0)
        await box.store.close()
    }

    @Test("what does not fit this agent or the installed program is refused before it is started")
    func refused() async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        let (_, running) = try await box.generation(1, "8.0.0")
        let own = try own()
        var good = own
        good.version = program.version
        var table: [(candidate: ProgramFacts, installed: ProgramFacts, words: String?)] = [(good, own, nil)]
        func add(_ words: String, _ change: (inout ProgramFacts, inout ProgramFacts) -> Void) {
            var (candidate, installed) = (good, own)
            change(&candidate, &installed)
            table.append((candidate, installed, words))
        }
        let other = try SemanticVersion("9.0.1")
        add("It is version 9.0.1") { candidate, _ in candidate.version = other }
        add("It keeps its journal in form") { candidate, _ in candidate.journal += 1 }
        add("older than the installed package") { _, installed in installed.version = other }
        add("It orders engines in form") { candidate, _ in candidate.orders += 1 }
        for (candidate, installed, words) in table {
            let slot = box.slot(running: running) { $0 == "/installed" ? installed : candidate }
            if let words {
                await #expect { try await slot.probe(record, quick: true) } throws: {
                    let failure = $0 as? SlotFailure
                    return failure?.code == "probeFailed" && failure?.message.contains(words) == true
                }
            } else {
                try await slot.probe(record, quick: true)
            }
        }
        let dumb = box.slot(running: running)
        await #expect { try await dumb.probe(record, quick: true) } throws: {
            ($0 as? SlotFailure)?.message.contains("does not say what it is") == true
        }
        await box.store.close()
    }

    @Test("a damaged copy of what shall run is made anew from its blob; what cannot run is told, and no restart loops")
    func serving() async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        let slot = box.slot()
        // It proved itself, and something else runs: back to it, once.
        await #expect(throws: CancellationError.self) { try await slot.serve(record, mayRest: false) }
        #expect(box.folder.current == program && box.restarts == 1)
        // The installed program runs in its place though it is whole.
        await #expect(throws: CancellationError.self) { try await slot.serve(record, mayRest: false) }
        #expect(box.restarts == 1 && box.lost.map(\.code) == ["agentReturned"])
        // The launcher found it damaged.
        try Data("rot".utf8).write(to: URL(fileURLWithPath: box.folder.path(of: program.digest)))
        await #expect(throws: CancellationError.self) { try await slot.serve(record, mayRest: false) }
        #expect(box.restarts == 2 && box.folder.isSound(program.digest))
        // A trial that the launcher could not start: nothing here can do it better.
        let (_, other) = try await box.generation(4, "9.1.0")
        try box.folder.begin(AgentTrial(program: other, generation: GenerationID(4), seconds: 5))
        try await slot.serve(record, mayRest: false)
        #expect(box.restarts == 2 && box.lost.count == 1)
        await box.store.close()
    }

    @Test("a program that the launcher does not choose, whatever is done for it, ends in no restarts without end")
    func neverChosen() async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        let (_, other) = try await box.generation(1, "8.0.0")
        let slot = box.slot(running: other)
        for _ in 0..<9 {
            await #expect(throws: CancellationError.self) { try await slot.serve(record, mayRest: false) }
        }
        #expect(box.restarts == 3 && box.lost.count == 6)
        #expect(box.lost.allSatisfy { $0.kind == .final && $0.message.contains("after each restart") })
        // Once it runs, it is asked for anew where that is wanted.
        try await box.slot(running: program).serve(record, mayRest: false)
        await #expect(throws: CancellationError.self) { try await slot.serve(record, mayRest: false) }
        #expect(box.restarts == 4)
        await box.store.close()
    }

    @Test("what the launcher gave up is told and not started again, until it is assigned anew")
    func fallen() async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        let slot = box.slot()
        _ = try await slot.startCandidate(record)
        try box.folder.goBack(ProgramFall(program: program, cause: .ends), to: nil)
        for count in 1...2 {
            await #expect(throws: CancellationError.self) { try await slot.serve(record, mayRest: false) }
            #expect(box.restarts == 0 && box.lost.count == count && box.folder.current == nil)
        }
        let failure = try #require(box.lost.first)
        #expect(failure.code == "crashLoop" && failure.kind == .final)
        #expect(failure.message.contains("9.0.0") && failure.message.contains("5 times in a row"))
        try await until({ box.restarts == 1 }) { _ = try await slot.switchOver(record) }
        #expect(box.folder.trial?.program == program && box.folder.fall(of: program) == nil)
        await box.store.close()
    }

    @Test("a slot that is given up goes back to the installed program, out of a trial too")
    func forgotten() async throws {
        let box = try await Box()
        let (record, program) = try await box.generation(3, "9.0.0")
        let first = box.slot()
        _ = try await first.startCandidate(record)
        try box.folder.begin(AgentTrial(program: program, generation: record.id, seconds: 5))
        let slot = box.slot(running: program)
        await slot.endAll(forget: false)
        #expect(box.folder.trial != nil && box.restarts == 0, "an agent that stops gives nothing up")
        await slot.endAll(forget: true)
        #expect(box.folder.trial == nil && box.folder.current == nil && box.restarts > 0)
        #expect(box.folder.returned(record.id) == .superseded)
        await box.store.close()
    }
}
