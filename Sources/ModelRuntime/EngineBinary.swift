internal import CProcess
internal import Glibc
internal import MartletTypes
internal import Synchronization

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

/// Runs a short program to its end and keeps what it prints.
enum OutputCollector {
    private struct State {
        var bytes: [UInt8] = []
        var isOver = false
        var reason = EngineExit.Reason.unobserved
        var continuation: CheckedContinuation<Void, Never>?
    }

    private final class Box: Sendable {
        let state = Mutex(State())

        func end(_ reason: EngineExit.Reason) {
            let continuation = state.withLock { state in
                state.isOver = true
                state.reason = reason
                let continuation = state.continuation
                state.continuation = nil
                return continuation
            }
            continuation?.resume()
        }

        func wait() async {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if !state.isOver { state.continuation = continuation }
                    return state.isOver
                }
                if isOver { continuation.resume() }
            }
        }
    }

    /// Output and error of the program, at most `RuntimeLimits.probeBytes`; killed after `seconds`.
    static func run(
        _ plan: ChildPlan, on thread: ProcessThread, seconds: Int = RuntimeLimits.probeSeconds
    ) async throws(RuntimeError) -> String {
        try await collect(plan, on: thread, seconds: seconds).text
    }

    /// The same with how it ended.
    static func collect(
        _ plan: ChildPlan, on thread: ProcessThread, seconds: Int = RuntimeLimits.probeSeconds
    ) async throws(RuntimeError) -> (text: String, end: EngineExit.Reason) {
        let box = Box()
        let started = await thread.run { start(plan, on: thread, into: box) }
        guard case .success(let child) = started else {
            guard case .failure(let failure) = started else { return ("", .unobserved) }
            throw RuntimeError(.engineNotStarted, "\(plan.path) could not be run: \(failure.text).")
        }
        let watchdog = Task {
            try await Task.sleep(for: .seconds(seconds))
            _ = cprocess_signal(child.descriptor, SIGKILL)
        }
        await box.wait()
        watchdog.cancel()
        _ = await watchdog.result
        close(child.descriptor)
        return box.state.withLock { (String(decoding: $0.bytes, as: UTF8.self), $0.reason) }
    }

    private static func start(
        _ plan: ChildPlan, on thread: ProcessThread, into box: Box
    ) -> Result<Child, Child.Failure> {
        var ends: (Int32, Int32) = (-1, -1)
        guard cprocess_pipe(&ends.0, &ends.1) == 0 else {
            return .failure(.init(step: Int32(CPROCESS_STEP_PIPE), error: errno))
        }
        let output = ends.0
        let result = Child.start(plan, output: ends.1)
        close(ends.1)
        guard case .success(let child) = result else {
            close(output)
            return result
        }
        let drain: @Sendable () -> Bool = {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(output, &buffer, buffer.count)
                guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
                box.state.withLock { state in
                    state.bytes += buffer[..<min(count, max(0, RuntimeLimits.probeBytes - state.bytes.count))]
                }
            }
        }
        thread.watch(child.descriptor) {
            guard let reason = child.reap() else { return .keep }
            _ = drain()
            close(output)
            box.end(reason)
            return .stop
        }
        return result
    }
}
