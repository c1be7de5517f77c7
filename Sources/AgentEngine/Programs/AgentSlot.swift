package import AgentStore
internal import Glibc
package import MartletTypes
internal import ModelRuntime
internal import Trust

/// What the agent's own slot needs to change programs.
package struct AgentPrograms: Sendable {
    package let folder: ProgramFolder
    /// The program that runs; nil is the installed one.
    package let running: Digest?
    /// The file of the installed program, which launches the others and carries out orders for engines.
    package let installed: String
    /// How long a program on trial may take to reach the registry, in seconds.
    package let trialSeconds: Int
    /// Runs a program's own description of itself in the engines' confinement.
    package let describe: @Sendable (_ path: String) async throws -> ProgramFacts
    /// Ends this program in good order and starts what the folder says then.
    package let restart: @Sendable () -> Void

    package init(
        folder: ProgramFolder, running: Digest?, installed: String, trialSeconds: Int,
        describe: @escaping @Sendable (_ path: String) async throws -> ProgramFacts,
        restart: @escaping @Sendable () -> Void
    ) {
        self.folder = folder
        self.running = running
        self.installed = installed
        self.trialSeconds = trialSeconds
        self.describe = describe
        self.restart = restart
    }
}

extension AgentPrograms {
    /// The program of a generation of the agent's slot.
    static func program(of record: GenerationRecord) throws -> AgentProgram {
        guard let file = record.files.first(where: { $0.role == .program }), let release = record.releases.first else {
            throw SlotFailure(.final, code: "unsupportedKind", message: "The generation holds no agent.")
        }
        return AgentProgram(digest: file.digest, version: release.path.version)
    }

    /// Puts a whole program in its place, or throws.
    func bring(_ program: AgentProgram, from store: AgentStore) throws {
        try folder.bring(program, from: store.blobs.path(of: program.digest))
        guard folder.isSound(program.digest) else {
            throw SlotFailure(
                .retry, code: SlotFailure.rottenCode,
                message: "The program of martlet-agent \(program.version) is damaged.")
        }
    }

    /// Whether the copy that is started next, where it is this generation's, is what its digest says.
    func isWhole(_ record: GenerationRecord) throws -> Bool {
        let program = try Self.program(of: record)
        return folder.current != program || folder.isSound(program.digest)
    }
}

/// Looks at copies of programs and makes them anew for others than the agent's slot, on the thread that this slot uses:
/// no two of them write one folder at the same time.
actor ProgramCopies {
    nonisolated var unownedExecutor: UnownedSerialExecutor { StorageThread.programs.asUnownedSerialExecutor() }

    func isWhole(_ record: GenerationRecord, _ programs: AgentPrograms) throws -> Bool { try programs.isWhole(record) }

    func bring(_ record: GenerationRecord, _ programs: AgentPrograms, from store: AgentStore) throws {
        try programs.bring(AgentPrograms.program(of: record), from: store)
    }
}

/// The slot in which the agent itself stands. Its generations are programs; switching is a restart into the candidate,
/// which stays once it reached the registry and is taken back by the launcher's watchdog otherwise.
package actor AgentSlot: SlotRuntime {
    /// Programs are hashed and copied.
    package nonisolated var unownedExecutor: UnownedSerialExecutor { StorageThread.programs.asUnownedSerialExecutor() }

    private let programs: AgentPrograms
    private let store: AgentStore
    private let news: @Sendable (RuntimeNews) -> Void
    private var shown: GenerationID?

    package init(programs: AgentPrograms, store: AgentStore, news: @escaping @Sendable (RuntimeNews) -> Void) {
        self.programs = programs
        self.store = store
        self.news = news
    }

    package func serving() -> GenerationID? { shown }

    /// It never rests, and takes no memory beside what the agent takes already.
    package func activity() -> SlotActivity { SlotActivity(need: shown == nil ? nil : EngineNeed()) }

    /// Makes the program of a generation the one that runs. Of one on trial that means to wait until it proved itself.
    package func serve(_ record: GenerationRecord, mayRest: Bool) async throws {
        let program = try AgentPrograms.program(of: record)
        if programs.running == program.digest {
            try await awaitTrial(program, record.id)
            shown = record.id
            try programs.folder.forgetAsked()
            return collect(keeping: program.digest)
        }
        if let fall = programs.folder.fall(of: program) {
            // The launcher gave it up; it is tried again where it, or another release, is assigned anew.
            news(.lost(record.id, Self.failure(program, fall.cause.sentence, code: SlotFailure.crashLoop)))
            throw CancellationError()
        }
        // While a candidate proves itself what it came from is not called back by a mere start; where the launcher
        // could not start the candidate, another restart would end the same way.
        guard programs.folder.trial == nil else { return shown = record.id }
        if let reason = programs.folder.returned(record.id) {
            news(.lost(record.id, Self.failure(program, reason.sentence)))
            throw CancellationError()
        }
        let isLaunched = programs.running == nil && programs.folder.current == program
        guard !isLaunched || !programs.folder.isSound(program.digest) else {
            // What the link names is whole and was not launched: another try would end the same way.
            let reason = "The installed program runs in its place: it is newer, or this machine cannot run the other."
            news(.lost(record.id, Self.failure(program, reason)))
            throw CancellationError()
        }
        // It proved itself before: no trial.
        try programs.bring(program, from: store)
        try programs.folder.point(to: program)
        guard try programs.folder.ask(for: program.digest) else {
            let reason = "Another program runs in its place after each restart."
            news(.lost(record.id, Self.failure(program, reason)))
            throw CancellationError()
        }
        programs.restart()
        throw CancellationError()
    }

    /// Waits until the registry's first answer confirmed the program that runs, where it is on trial.
    private func awaitTrial(_ program: AgentProgram, _ generation: GenerationID) async throws {
        while programs.folder.trial?.program.digest == program.digest {
            try await Task.sleep(for: AgentLimits.trialLook)
        }
        // Taken back: this process is about to be ended, and the program before it tells of it.
        guard programs.folder.returned(generation) == nil else { throw CancellationError() }
        try programs.folder.settle()
    }

    package func startCandidate(
        _ record: GenerationRecord
    ) async throws -> (mode: SwapMode, milliseconds: Int64) {
        let start = ContinuousClock.now
        let program = try AgentPrograms.program(of: record)
        guard programs.running != program.digest else { return (.sideBySide, 0) }
        if let reason = programs.folder.returned(record.id) { throw Self.failure(program, reason.sentence) }
        do {
            try programs.bring(program, from: store)
        } catch {
            throw SlotFailure.from(error, otherwise: .retry)
        }
        return (.sideBySide, (ContinuousClock.now - start).inMilliseconds)
    }

    /// The program must start here, say that it is the version of its release, know this agent's journal, and order
    /// nothing that the installed program would not understand.
    package func probe(_ record: GenerationRecord, quick: Bool) async throws {
        let program = try AgentPrograms.program(of: record)
        // It runs already; the agent before it asked.
        guard programs.running != program.digest else { return }
        let facts: ProgramFacts
        do {
            facts = try await programs.describe(programs.folder.path(of: program.digest))
        } catch {
            if let failure = error as? SlotFailure, failure.kind != .final { throw failure }
            throw Self.refusal("It does not say what it is: \(ErrorSummary(error).message)")
        }
        guard facts.version == program.version else {
            throw Self.refusal("It is version \(facts.version), its release is \(program.version).")
        }
        guard facts.journal == ProgramFacts.own?.journal else {
            throw Self.refusal(
                "It keeps its journal in form \(facts.journal), this agent in form \(ProgramFacts.own?.journal ?? 0): "
                    + "going back would not be possible. Install its package instead.")
        }
        let installed = try await installedFacts()
        guard facts.version >= installed.version else {
            throw Self.refusal(
                "It is older than the installed package, which is \(installed.version) and would run in its place. "
                    + "Install an older package first.")
        }
        guard facts.orders <= installed.orders else {
            throw Self.refusal(
                "It orders engines in form \(facts.orders), and the installed program carries out form "
                    + "\(installed.orders) at most. Install its package instead.")
        }
    }

    private func installedFacts() async throws -> ProgramFacts {
        if programs.running == nil, let own = ProgramFacts.own { return own }
        do {
            return try await programs.describe(programs.installed)
        } catch {
            throw SlotFailure.from(error, otherwise: .retry)
        }
    }

    package func evaluate(_ record: GenerationRecord) async throws -> EvaluationResult {
        throw SlotFailure(.final, code: "unsupportedKind", message: "An agent has no evaluation set.")
    }

    package func shadow(
        _ record: GenerationRecord, _ policy: ShadowPolicy, progress: @escaping @Sendable (ShadowResult) -> Void
    ) async throws -> ShadowOutcome { .notPossible("an agent answers nothing that could be compared") }

    package func awaitIdle(_ time: Duration, waits: @Sendable () -> Void) async throws {}

    /// Notes the trial and restarts into it. In the program that began it this does not return: whether it went well,
    /// the other one knows first.
    package func switchOver(_ record: GenerationRecord) async throws -> Duration {
        let program = try AgentPrograms.program(of: record)
        guard programs.running != program.digest else {
            try await awaitTrial(program, record.id)
            return .zero
        }
        do {
            let trial = AgentTrial(program: program, generation: record.id, seconds: programs.trialSeconds)
            try programs.folder.begin(trial)
        } catch {
            throw SlotFailure.from(error, otherwise: .retry)
        }
        programs.restart()
        while true { try await Task.sleep(for: AgentLimits.endOfProgram) }
    }

    /// A trial of a program that is given up is over.
    package func endOthers(sparing: GenerationID?) async {
        guard let trial = programs.folder.trial else { return }
        do {
            guard try programs.folder.takeBack(trial.program.digest, .superseded) else { return }
            if programs.running == trial.program.digest { programs.restart() }
        } catch {
            // The watchdog takes it back at the end of its time.
            return
        }
    }

    /// Nothing to do: programs run from a copy of their own, whose digest is checked before each start.
    package func renew(_ id: GenerationID) async throws {}

    package func endAll(forget: Bool) async {
        shown = nil
        guard forget else { return }
        await endOthers(sparing: nil)
        do {
            try programs.folder.point(to: nil)
            if programs.running != nil { programs.restart() }
        } catch {
            return
        }
    }

    private func collect(keeping digest: Digest) {
        do {
            // What went before stays on disk as long as the store keeps its blob: going back copies it again.
            try programs.folder.collect(keeping: [digest])
        } catch {
            // What cannot be removed is no reason not to serve; each start tries it again.
            return
        }
    }

    private static func failure(
        _ program: AgentProgram, _ reason: String, code: String = "agentReturned"
    ) -> SlotFailure {
        SlotFailure(.final, code: code, message: "martlet-agent \(program.version) was taken back. \(reason)")
    }

    private static func refusal(_ reason: String) -> SlotFailure {
        SlotFailure(.final, code: "probeFailed", message: "The agent is refused. \(reason)")
    }
}

extension SlotName {
    /// The slot of the agent itself.
    static let agent: SlotName? = try? SlotName(MartletVersion.agentSlot)
}
