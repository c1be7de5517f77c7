package import AgentStore
package import MartletTypes

/// An agent's program that came as a release.
package struct AgentProgram: Sendable, Hashable, Codable {
    /// The program's bytes.
    package var digest: Digest
    /// The version of its release.
    package var version: SemanticVersion

    package init(digest: Digest, version: SemanticVersion) {
        self.digest = digest
        self.version = version
    }
}

/// A program that must show that it reaches the registry before it stays.
package struct AgentTrial: Sendable, Hashable, Codable {
    package var program: AgentProgram
    /// The try that it belongs to: another try of the same program is another trial.
    package var generation: GenerationID
    /// How often it was started so far.
    package var starts: Int
    /// How often a start was taken out of that count; nil is never.
    package var forgiven: Int?
    /// How long each start has to reach the registry.
    package var seconds: Int

    package init(program: AgentProgram, generation: GenerationID, starts: Int = 0, seconds: Int) {
        self.program = program
        self.generation = generation
        self.starts = starts
        self.seconds = seconds
    }
}

/// Why a program on trial was taken back.
package enum AgentReturn: String, Sendable, Codable, CaseIterable {
    /// It did not reach the registry in time.
    case noPoll
    /// It ended again and again.
    case crashLoop
    /// It is not what its digest says.
    case damaged
    /// The kernel cannot run it.
    case notExecutable
    /// Something else is assigned.
    case superseded
    /// The owner installed a newer package.
    case outdated

    /// For people.
    package var sentence: String {
        switch self {
        case .noPoll: "It did not reach the registry in time."
        case .crashLoop: "It ended \(ProgramFolder.startsInTrial) times before it reached the registry."
        case .damaged: "Its file on this device is damaged."
        case .notExecutable: "This machine cannot run it."
        case .superseded: "Something else was assigned meanwhile."
        case .outdated: "A newer package was installed on this device meanwhile."
        }
    }
}

/// What stands on disk about the programs of the agent.
package struct ProgramRecord: Sendable, Hashable {
    /// What proved itself last; nil is the installed program.
    package var current: AgentProgram?
    /// What ran before that; nil is the installed program.
    package var previous: AgentProgram?
    /// What is to prove itself.
    package var trial: AgentTrial?
    /// The starts of `current`, or of what was `current`.
    package var starts: ProgramStarts?
    /// What was given up after it had proved itself.
    package var falls: [ProgramFall] = []

    package init() {}
}

/// Which of the programs on this device is to run, decided from what stands on disk. Pure.
package enum LaunchDecision: Sendable, Hashable {
    /// The program that the owner installed, which is the one that decides.
    case installed
    /// One that proved itself; its starts as they are to be written before this one.
    case proven(AgentProgram, ProgramStarts)
    /// One that is on trial; the trial as it is to be written before the start.
    case trial(AgentTrial)
    /// The trial is over: the program is to be taken back, then decided again.
    case takeBack(AgentTrial, AgentReturn)
    /// The program of the trial stays already; the trial's note is to be removed, then decided again.
    case forgetTrial
    /// The program that proved itself is given up for the one before it, nil being the installed one; then decided
    /// again.
    case goBack(ProgramFall, to: AgentProgram?)

    /// `own` is the version of the installed program, `boot` this run of the machine.
    package init(_ record: ProgramRecord, own: SemanticVersion?, boot: String?) {
        if var trial = record.trial {
            if trial.program == record.current {
                self = .forgetTrial
            } else if !Self.isNewEnough(trial.program, own) {
                // Who installs a newer package wants it to run.
                self = .takeBack(trial, .outdated)
            } else if trial.starts >= ProgramFolder.startsInTrial {
                self = .takeBack(trial, .crashLoop)
            } else {
                trial.starts += 1
                self = .trial(trial)
            }
        } else if let current = record.current, Self.isNewEnough(current, own) {
            let known = record.starts.flatMap { $0.program == current.digest ? $0 : nil }
            let starts = (known ?? ProgramStarts(program: current.digest)).another(in: boot)
            if let fall = Self.fall(of: current, starts, record) {
                self = .goBack(fall, to: Self.target(record, own))
            } else {
                self = .proven(current, starts)
            }
        } else {
            self = .installed
        }
    }

    private static func isNewEnough(_ program: AgentProgram, _ own: SemanticVersion?) -> Bool {
        own.map { program.version >= $0 } ?? true
    }

    /// That the program is given up, now or by a launcher that was interrupted in it.
    private static func fall(
        of program: AgentProgram, _ starts: ProgramStarts, _ record: ProgramRecord
    ) -> ProgramFall? {
        record.falls.first { $0.program == program } ?? starts.verdict.map { ProgramFall(program: program, cause: $0) }
    }

    /// The program before the one that runs, unless it was given up itself: then only the installed one is left.
    private static func target(_ record: ProgramRecord, _ own: SemanticVersion?) -> AgentProgram? {
        guard let previous = record.previous, previous != record.current, isNewEnough(previous, own),
            !record.falls.contains(where: { $0.program == previous })
        else { return nil }
        return previous
    }
}
