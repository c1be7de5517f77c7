internal import Glibc

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

    /// Calls the program with `arguments` and returns what it prints; it may read and write the named places alone.
    /// Killed after `seconds`. Throws `engineNotStarted`.
    package func run(
        _ arguments: [String], readable: [String], writable: [String], seconds: Int
    ) async throws(RuntimeError) -> String {
        guard let thread = ProcessThread.shared else { throw EngineBinary.noThread }
        var plan = ChildPlan(path: program, arguments: ["martlet-agent"] + arguments)
        plan.environment = LlamaArguments.environment(home: "/")
        plan.descriptors = RuntimeLimits.engineDescriptors
        plan.confine(confinement, readable: [program] + Self.libraries() + readable, writable: writable, mayLink: true)
        return try await OutputCollector.run(plan, on: thread, seconds: seconds)
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
