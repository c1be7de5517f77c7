internal import CProcess
internal import Glibc
internal import MartletTypes

/// Starts engines as children of the agent: they die with it, and are confined as far as the kernel can.
package struct ForkLauncher: RuntimeLauncher {
    /// The engines that this device allows.
    package let engines: InstalledEngines
    /// Where sockets are; what is left there by an earlier run is swept.
    package let runFolder: String
    /// What engines may touch.
    package let confinement: Confinement
    /// Added to the niceness of engines.
    package let niceness: Int

    package init(
        engines: InstalledEngines, runFolder: String, confinement: Confinement = Confinement(), niceness: Int = 0
    ) {
        self.engines = engines
        self.runFolder = runFolder
        self.confinement = confinement
        self.niceness = niceness
    }

    package func launch(_ spec: EngineSpec) async throws(RuntimeError) -> any RuntimeProcess {
        let binary = try await engines.binary(for: spec, confinement: confinement)
        guard access(binary.path, X_OK) == 0 else { throw .engineMissing(binary.path, engine: binary.name) }
        let command = try EngineCommand(spec, binary: binary, folder: Self.folder(ofSocket: spec.socketPath))
        guard let thread = ProcessThread.shared else { throw EngineBinary.noThread }
        let folder = try Self.prepareFolder(of: spec.socketPath)
        let log = try EngineLog(path: spec.logPath)
        let plan = plan(command, folder: folder)
        let result = await thread.run { Self.start(plan, log: log, on: thread) }
        switch result {
        case .success(let process): return process
        case .failure(let failure):
            throw RuntimeError(
                failure.isConfinement ? .confinementUnavailable : .engineNotStarted,
                "\(binary.path) could not be started: \(failure.text).",
                remedy: failure.isConfinement ? "Set the confinement to available, or use a newer kernel." : "")
        }
    }

    private func plan(_ command: EngineCommand, folder: String) -> ChildPlan {
        var plan = ChildPlan(path: command.path, arguments: command.arguments)
        plan.environment = command.environment
        plan.folder = folder
        plan.descriptors = RuntimeLimits.engineDescriptors
        plan.niceness = Int32(niceness)
        plan.outOfMemoryScore = RuntimeLimits.outOfMemoryScore
        plan.confine(confinement, readable: command.readable, writable: [folder])
        return plan
    }

    /// The folder that holds an unpacked engine: `X` for `X/bin/llama-server`, otherwise the program's own folder;
    /// never the whole file system.
    static func tree(of path: String) -> String {
        let resolved = realpath(path, nil)
        defer { free(resolved) }
        return folder(of: resolved.map { String(cString: $0) } ?? path)
    }

    /// The same without looking where links lead.
    static func folder(of program: String) -> String {
        let parts = program.split(separator: "/").dropLast()
        guard !parts.isEmpty else { return program }
        let isBinFolder = parts.last == "bin" && parts.count > 1
        return "/" + (isBinFolder ? parts.dropLast() : parts).joined(separator: "/")
    }

    private static func folder(ofSocket path: String) -> String {
        "/" + path.split(separator: "/").dropLast().joined(separator: "/")
    }

    /// Makes the socket's folder, and removes a socket of that name that nobody serves any more.
    @discardableResult
    static func prepareFolder(of socketPath: String) throws(RuntimeError) -> String {
        let folder = Self.folder(ofSocket: socketPath)
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            let reason = String(cString: strerror(errno))
            throw RuntimeError(.engineNotStarted, "The engine's folder \(folder) cannot be made: \(reason).")
        }
        var info = stat()
        if lstat(socketPath, &info) == 0 {
            guard info.st_mode & S_IFMT == S_IFSOCK, UnixSocket.peer(at: socketPath) == nil else {
                throw RuntimeError(
                    .engineNotStarted, "\(socketPath) is in use already.",
                    remedy: "Sweep the run folder, or end the program that serves it.")
            }
            unlink(socketPath)
        }
        return folder
    }

    private static func start(
        _ plan: ChildPlan, log: EngineLog, on thread: ProcessThread
    ) -> Result<ForkedProcess, Child.Failure> {
        var ends: (Int32, Int32) = (-1, -1)
        guard cprocess_pipe(&ends.0, &ends.1) == 0 else {
            return .failure(.init(step: Int32(CPROCESS_STEP_PIPE), error: errno))
        }
        let result = Child.start(plan, output: ends.1)
        close(ends.1)
        switch result {
        case .success(let child):
            return .success(ForkedProcess(child: child, log: log, output: ends.0, thread: thread))
        case .failure(let failure):
            close(ends.0)
            return .failure(failure)
        }
    }
}
