package import MartletTypes

/// Runs a program of ours, confined as engines are, for work on what nobody has checked yet.
package struct ConfinedCall: Sendable {
    /// What it may touch, and how strictly that is meant.
    package let confinement: Confinement
    /// The program; without another this very one.
    package let program: String

    package init(confinement: Confinement, program: String? = nil) {
        self.confinement = confinement
        // The link leads to the running program's file, also where another took its name since.
        self.program = program ?? "/proc/self/exe"
    }

    /// Has the program do something that it tells of in a few words; it may read and write the named places alone, and
    /// make links where it may write.
    ///
    /// Whatever it does is an answer: nothing of it is taken for granted. A cancelled task kills it, and must not
    /// believe what it gets. Throws `engineNotStarted` and `confinementUnavailable` where it could not be asked.
    package func ask(
        _ arguments: [String], readable: [String], writable: [String] = [], _ bounds: Bounds
    ) async throws(RuntimeError) -> Answer {
        guard let thread = ProcessThread.shared else { throw EngineBinary.noThread }
        var plan = plan(arguments, readable: readable, writable: writable)
        if let memory = bounds.memory { plan.dataBytes = UInt64(clamping: memory.bytes) }
        let outcome = try await OutputCollector.collect(
            plan, on: thread,
            .init(seconds: bounds.seconds, bytes: bounds.bytes, endsTalkers: true, endsWhenCancelled: true))
        if outcome.isOverdue { return .overdue }
        if outcome.isCut { return .overlong }
        return switch outcome.end {
        case .exited(0): .text(outcome.text)
        case .exited(let status): .failed(status)
        case .signalled(let signal): .killed(signal)
        case .unobserved: .failed(-1)
        }
    }

    /// How long a program may take to answer, how much it may say, and what memory it may write to.
    package struct Bounds: Sendable {
        package let seconds: Int
        package let bytes: Int
        /// Nil is as much as there is.
        package let memory: ByteCount?

        package init(seconds: Int, bytes: Int, memory: ByteCount? = nil) {
            (self.seconds, self.bytes, self.memory) = (seconds, bytes, memory)
        }
    }

    /// What came of a question.
    package enum Answer: Sendable, Hashable {
        /// It ended well and printed this.
        case text(String)
        /// It ended with a status that is not 0.
        case failed(Int32)
        /// A signal that nobody here sent ended it.
        case killed(Int32)
        /// It was ended because its time was over.
        case overdue
        /// It was ended because it said too much.
        case overlong
    }

    private func plan(
        _ arguments: [String], readable: [String], writable: [String]
    ) -> ChildPlan {
        var plan = ChildPlan(path: program, arguments: ["martlet-agent"] + arguments)
        plan.environment = LlamaArguments.environment(home: "/")
        plan.descriptors = RuntimeLimits.engineDescriptors
        plan.outOfMemoryScore = RuntimeLimits.outOfMemoryScore
        plan.confine(
            confinement, readable: [program] + Self.libraries() + readable, writable: writable,
            mayLink: !writable.isEmpty)
        return plan
    }

    /// The shared libraries that this program runs with, wherever they are.
    private static func libraries() -> [String] {
        guard let bytes = ProcFile.bytes("/proc/self/maps", limit: RuntimeLimits.mapsBytes) else { return [] }
        var paths: Set<String> = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            guard let slash = line.firstIndex(of: "/") else { continue }
            let path = String(line[slash...])
            if path.contains(".so") { paths.insert(path) }
        }
        return paths.sorted()
    }
}
