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

    /// For people.
    package var sentence: String {
        switch self {
        case .noPoll: "It did not reach the registry in time."
        case .crashLoop: "It ended \(ProgramFolder.startsInTrial) times before it reached the registry."
        case .damaged: "Its file on this device is damaged."
        case .notExecutable: "This machine cannot run it."
        case .superseded: "Something else was assigned meanwhile."
        }
    }
}

/// Which of the programs on this device is to run, decided from what stands on disk. Pure.
package enum LaunchDecision: Sendable, Hashable {
    /// The program that the owner installed, which is the one that decides.
    case installed
    /// One that proved itself.
    case proven(AgentProgram)
    /// One that is on trial; the trial as it is to be written before the start.
    case trial(AgentTrial)
    /// The trial is over: the program is to be taken back, then decided again.
    case takeBack(AgentTrial, AgentReturn)
    /// The program of the trial stays already; the trial's note is to be removed, then decided again.
    case forgetTrial

    /// `current` is what proved itself last, `trial` what is to prove itself, `own` the version of the installed
    /// program.
    package init(current: AgentProgram?, trial: AgentTrial?, own: SemanticVersion?) {
        if var trial {
            if trial.program == current {
                self = .forgetTrial
            } else if trial.starts >= ProgramFolder.startsInTrial {
                self = .takeBack(trial, .crashLoop)
            } else {
                trial.starts += 1
                self = .trial(trial)
            }
        } else if let current, own.map({ current.version >= $0 }) ?? true {
            self = .proven(current)
        } else {
            // Who installs a newer package wants it to run.
            self = .installed
        }
    }
}
