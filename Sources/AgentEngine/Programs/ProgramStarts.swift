package import MartletTypes

/// How often the program that proved itself was started since it last ran for a while. The launcher counts, the program
/// that ran for a while, or was asked to stop, lets the count be forgotten.
package struct ProgramStarts: Sendable, Hashable, Codable {
    package let program: Digest
    /// Starts since then.
    package private(set) var starts = 0
    /// How many of them ended while the machine ran on: by what the program does, as far as can be told.
    package private(set) var ends = 0
    /// The run of the machine in which the last was; nil where the kernel does not tell.
    package private(set) var boot: String?

    package init(program: Digest) { self.program = program }

    /// With one more start, in the run `boot` of the machine.
    package func another(in boot: String?) -> ProgramStarts {
        var next = self
        // After a power cut the one before says nothing of the program.
        let isSameRun = self.boot == nil || boot == nil || self.boot == boot
        if starts > 0, isSameRun { next.ends += 1 }
        next.starts += 1
        next.boot = boot
        return next
    }

    /// Why the start that was counted last is not to be made; nil where it may be.
    package var verdict: ProgramFall.Cause? {
        if ends >= ProgramFolder.endsInLoop { return .ends }
        return starts > ProgramFolder.startsInLoop ? .starts : nil
    }
}

/// That a program which had proved itself was given up, because it ended again and again.
package struct ProgramFall: Sendable, Hashable, Codable {
    /// What was counted.
    package enum Cause: String, Sendable, Codable, CaseIterable {
        /// Its ends, while the machine ran on.
        case ends
        /// Its starts, the machine's own included: it may be what takes the machine down.
        case starts

        /// For people.
        package var sentence: String {
            switch self {
            case .ends: "It ended \(ProgramFolder.endsInLoop) times in a row within a minute of its start."
            case .starts:
                "It was started \(ProgramFolder.startsInLoop) times in a row, also by the machine's own start, and "
                    + "never ran for a minute."
            }
        }
    }

    package let program: AgentProgram
    package let cause: Cause

    package init(program: AgentProgram, cause: Cause) {
        self.program = program
        self.cause = cause
    }
}
