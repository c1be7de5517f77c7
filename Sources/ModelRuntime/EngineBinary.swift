internal import Glibc
internal import MartletTypes

/// An engine's program on this device, as the device's own configuration allows it.
package struct EngineBinary: Sendable, Hashable {
    /// The engine's name in releases and assignments, e.g. `llama.cpp`.
    package let name: String
    /// The program's absolute path.
    package let path: String
    /// Its version as SemVer; nil where it does not tell. Old llama.cpp builds, which have only a number, are `0.0.N`.
    package let version: String?
    /// The changeable flags that it knows.
    package let flags: Set<EngineFlag>
    /// How the owner declared it; nil is llama.cpp.
    package let process: ProcessEngine?

    package init(
        name: String = "llama.cpp", path: String, version: String?, flags: Set<EngineFlag> = [],
        process: ProcessEngine? = nil
    ) {
        self.name = name
        self.path = path
        self.version = version
        self.flags = flags
        self.process = process
    }

    /// Asks the program for its version and its flags. Throws `engineMissing` where there is no such file and
    /// `engineNotStarted` where it does not run.
    ///
    /// With a confinement it runs as engines do: for a program that came as a release.
    package static func probe(
        name: String = "llama.cpp", path: String, confinement: Confinement? = nil
    ) async throws(RuntimeError) -> EngineBinary {
        guard access(path, X_OK) == 0 else { throw .engineMissing(path, engine: name) }
        guard let thread = ProcessThread.shared else { throw noThread }
        func ask(_ flag: String) async throws(RuntimeError) -> String {
            var plan = ChildPlan(
                path: path, arguments: [path, flag], environment: LlamaArguments.environment(home: "/"))
            if let confinement { plan.confine(confinement, readable: [ForkLauncher.tree(of: path)]) }
            return try await OutputCollector.run(plan, on: thread)
        }
        let version = version(in: try await ask("--version"))
        return EngineBinary(
            name: name, path: path, version: version, flags: EngineFlag.known(in: try await ask("--help")))
    }

    /// Asks a declared engine for its version, where its owner says how. Throws as `probe(name:path:)` does.
    package static func probe(_ engine: ProcessEngine) async throws(RuntimeError) -> EngineBinary {
        let path = engine.command[0]
        for program in [path] + engine.versionCommand.prefix(1) where access(program, X_OK) != 0 {
            throw .engineMissing(program, engine: engine.name)
        }
        var version = engine.version?.text
        if let program = engine.versionCommand.first, version == nil {
            guard let thread = ProcessThread.shared else { throw noThread }
            let plan = ChildPlan(
                path: program, arguments: engine.versionCommand, environment: LlamaArguments.environment(home: "/"))
            version = ProcessEngine.version(in: try await OutputCollector.run(plan, on: thread))
        }
        return EngineBinary(name: engine.name, path: path, version: version, process: engine)
    }

    /// The version in the output of `llama-server --version`: `version: 0.7.0 (build 11669)` or `version: 4719 (…)`.
    static func version(in output: String) -> String? {
        for line in output.split(separator: "\n") where line.hasPrefix("version:") {
            let words = line.split(separator: " ")
            guard words.count >= 2 else { return nil }
            if let build = UInt32(words[1]) { return "0.0.\(build)" }
            let parts = words[1].split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count >= 3, parts.prefix(2).allSatisfy({ UInt32($0) != nil }) else { return nil }
            return String(words[1])
        }
        return nil
    }

    static var noThread: RuntimeError {
        RuntimeError(
            .engineNotStarted, "The thread that starts engines could not be made.",
            remedy: "Free memory or raise the limit of processes.")
    }
}
