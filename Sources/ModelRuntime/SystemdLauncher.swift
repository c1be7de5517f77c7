internal import CProcess
internal import Glibc
internal import MartletTypes
internal import Synchronization

/// Starts engines as units of systemd's, `martlet-runtime@SLOT-GENERATION.service`: they outlive the agent, and one
/// that runs what is ordered is adopted again by slot, generation and process.
package final class SystemdLauncher: RuntimeLauncher {
    private let engines: InstalledEngines
    /// The folder of all engines' folders; units' names are paths below it.
    private let runFolder: String
    private let confinement: Confinement
    private let niceness: Int
    private let units: SystemdUnits
    /// The agent's own unit.
    private let ownUnit: String
    private let held = Mutex(Held())

    /// What this agent has started or adopted.
    private struct Held {
        var units: Set<String> = []
        var isLettingGo = false
    }

    package init(
        engines: InstalledEngines, runFolder: String, confinement: Confinement = Confinement(), niceness: Int = 0,
        units: SystemdUnits = SystemdUnits(), ownUnit: String = "martlet-agent.service"
    ) {
        self.engines = engines
        self.runFolder = runFolder
        self.confinement = confinement
        self.niceness = niceness
        self.units = units
        self.ownUnit = ownUnit
    }

    package func launch(_ spec: EngineSpec) async throws(RuntimeError) -> any RuntimeProcess {
        let binary = try await engines.binary(for: spec, confinement: confinement)
        guard access(binary.path, X_OK) == 0 else { throw .engineMissing(binary.path, engine: binary.name) }
        let folder = "/" + spec.socketPath.split(separator: "/").dropLast().joined(separator: "/")
        let command = try EngineCommand(spec, binary: binary, folder: folder)
        let unit = try unit(folder)
        let order = EngineOrder(spec, command: command, confinement: confinement, niceness: niceness)
        let log = try EngineLog(path: spec.logPath)
        guard held.withLock({ $0.units.insert(unit).inserted }) else { throw Self.inUse(spec.socketPath) }
        do throws(RuntimeError) {
            return try process(unit, await running(unit, order, folder, spec), spec.limits, log: log)
        } catch {
            held.withLock { _ = $0.units.remove(unit) }
            throw error
        }
    }

    /// Ends the engines of units that nobody wants any more, and removes sockets that nobody serves. Those with a
    /// folder of `sparing` go on: the agent will want them, and adopts them then.
    package func sweep(sparing folders: Set<String>) async {
        do throws(RuntimeError) {
            let spared = Set(try folders.map { folder throws(RuntimeError) in try unit(folder) })
            for unit in try await units.all() where !spared.contains(unit) {
                try await units.kill(unit, SIGKILL)
                try await units.stop(unit)
            }
        } catch {
            // A service manager that does not answer now is asked again with the next start of an engine.
        }
        ForkLauncher.removeDeadSockets(in: runFolder)
    }

    package func sweep() async { await sweep(sparing: []) }

    /// Call before the agent ends: from then on engines are left to systemd where the agent is to be started again, and
    /// are ended with it where it was stopped for good.
    package func agentStops() async {
        let isForGood = await units.isStoppedForGood(ownUnit)
        held.withLock { $0.isLettingGo = !isForGood }
    }

    // MARK: Starting

    /// What runs, and where its output comes from.
    private struct Start {
        var state: SystemdUnits.State
        var output: Int32
    }

    private func unit(_ folder: String) throws(RuntimeError) -> String {
        guard folder.hasPrefix(runFolder + "/") else {
            throw RuntimeError(.engineNotStarted, "\(folder) is not below \(runFolder).", fault: .caller)
        }
        return UnitName.of(String(folder.dropFirst(runFolder.utf8.count + 1)))
    }

    private func running(
        _ unit: String, _ order: EngineOrder, _ folder: String, _ spec: EngineSpec
    ) async throws(RuntimeError) -> Start {
        if let found = try await adopted(unit, order, spec) { return found }
        return try await start(unit, order, folder, spec)
    }

    /// An engine that an earlier run of the agent left: the same order for the same slot and generation, and the
    /// process that answers on the socket is the unit's. Any other is ended.
    private func adopted(
        _ unit: String, _ order: EngineOrder, _ spec: EngineSpec
    ) async throws(RuntimeError) -> Start? {
        let state = try await units.state(unit)
        guard state.pid > 0 else {
            if state.active == "failed" { try await units.forget(unit) }
            return nil
        }
        let folder = "/" + spec.socketPath.split(separator: "/").dropLast().joined(separator: "/")
        guard EngineOrder(in: folder) == order, UnixSocket.peer(at: spec.socketPath) == state.pid else {
            try await units.kill(unit, SIGKILL)
            try await units.stop(unit)
            return nil
        }
        return Start(state: state, output: Self.openOutput(folder))
    }

    private func start(
        _ unit: String, _ order: EngineOrder, _ folder: String, _ spec: EngineSpec
    ) async throws(RuntimeError) -> Start {
        try ForkLauncher.prepareFolder(of: spec.socketPath)
        try order.write(in: folder)
        let output = Self.openOutput(folder)
        do throws(RuntimeError) {
            // Before it starts: no engine runs without its limits, whatever happens to the agent between the two.
            try await units.limit(unit, spec.limits)
            try await units.start(unit)
            return Start(state: try await units.state(unit), output: output)
        } catch {
            if output >= 0 { close(output) }
            throw error
        }
    }

    /// One that has ended already is told with its end and its last words, as any other.
    private func process(
        _ unit: String, _ start: Start, _ limits: EngineLimits, log: EngineLog
    ) throws(RuntimeError) -> SystemdProcess {
        guard let thread = ProcessThread.shared else {
            if start.output >= 0 { close(start.output) }
            throw EngineBinary.noThread
        }
        let descriptor = start.state.pid > 0 ? cprocess_open(start.state.pid) : -1
        let failure = errno
        if start.state.pid > 0, descriptor < 0, failure != ESRCH {
            if start.output >= 0 { close(start.output) }
            throw RuntimeError(
                .engineNotStarted, "\(unit) runs but cannot be watched: \(String(cString: strerror(failure))).",
                remedy: "Raise the agent's limit of open files.")
        }
        return SystemdProcess(
            unit: unit, state: start.state, limits: limits, descriptor: descriptor, output: start.output, log: log,
            units: units, thread: thread, isLeft: { self.held.withLock { $0.isLettingGo } },
            ended: { self.held.withLock { _ = $0.units.remove(unit) } })
    }

    /// The readable end of what the engine prints; -1 where there is none.
    private static func openOutput(_ folder: String) -> Int32 {
        open("\(folder)/\(EngineOrder.output)", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    }

    private static func inUse(_ socket: String) -> RuntimeError {
        RuntimeError(
            .engineNotStarted, "\(socket) is in use already.",
            remedy: "Sweep the run folder, or end the program that serves it.")
    }
}
