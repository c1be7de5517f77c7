internal import AgentStore
internal import Glibc
internal import MartletTypes

extension Doctor {
    /// Who runs with the data folder, and whether it answers.
    func processes(_ patient: inout Patient) async -> Outcome {
        var findings: [Diagnosis.Finding] = []
        let client = ControlClient(data: scene.data, runtime: scene.environment["RUNTIME_DIRECTORY"])
        do {
            patient.status = try await AgentQuestion().status(client)
            patient.agent = client.peer()
        } catch {
            findings += silence(error)
        }
        let agents = agentsOfFolder()
        if agents.count > 1 {
            findings.append(
                Ailment.twoAgents.found(
                    at: scene.data,
                    "\(agents.count) agents were started with this data folder: processes "
                        + "\(agents.map(String.init).joined(separator: ", ")). Only one can have it."))
        }
        if let status = patient.status {
            if let finding = otherVersion(than: status.agent.version) { findings.append(finding) }
            findings += status.agent.problems.map {
                Ailment.agentProblem.found(at: $0.code, "The agent says: \($0.message)", remedy: $0.remedy)
            }
        }
        findings += unitAtBoot()
        return .found(findings)
    }

    /// Whether the agent that runs is neither this program's version nor that of a release that came over the air.
    private func otherVersion(than running: String) -> Diagnosis.Finding? {
        let programs = ProgramFolder(data: scene.data)
        let released = [programs.current, programs.trial?.program].compactMap { $0?.version.text }
        guard !([MartletVersion.stamped] + released).contains(running) else { return nil }
        return Ailment.otherVersion.found(
            at: scene.data, "The agent that runs is version \(running), this program \(MartletVersion.stamped).")
    }

    private func silence(_ error: any Error) -> [Diagnosis.Finding] {
        let summary = ErrorSummary(error)
        if isLocked {
            return [
                Ailment.agentNotAnswering.found(
                    at: layout.run, "An agent has the data folder, and does not answer: \(summary.message)")
            ]
        }
        // Without a data folder that is the lesser news.
        guard files.status(layout.identity) != nil else { return [] }
        return [Ailment.agentNotRunning.found(at: scene.data, "No agent runs with this data folder.")]
    }

    /// Whether an agent has the data folder. The lock is let go of at once.
    private var isLocked: Bool {
        let descriptor = open(layout.lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    /// Processes of `martlet-agent run` with this folder.
    private func agentsOfFolder() -> [Int] {
        let own = resolved(scene.data)
        return names(in: scene.root + "/proc").prefix(AgentLimits.doctorProcesses).compactMap { Int($0) }
            .filter { process in
                guard let line = text("/proc/\(process)/cmdline") else { return false }
                let words = line.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
                guard let program = words.first, program.split(separator: "/").last == "martlet-agent",
                    words.contains("run")
                else { return false }
                return resolved(folder(of: words, process)) == own
            }
            .sorted()
    }

    private func folder(of words: [String], _ process: Int) -> String {
        if let index = words.firstIndex(of: "--data"), index + 1 < words.count { return words[index + 1] }
        if let joined = words.first(where: { $0.hasPrefix("--data=") }) { return String(joined.dropFirst(7)) }
        let name = AgentOption.data.variable + "="
        let variables = text("/proc/\(process)/environ")?.split(separator: "\0") ?? []
        let variable = variables.first { $0.hasPrefix(name) }
        return variable.map { String($0.dropFirst(name.count)) } ?? AgentOption.defaultData
    }
}

/// Asks the agent on a thread of its own: whoever answers may need those of the pool.
private actor AgentQuestion {
    private static let thread = StorageThread()
    nonisolated var unownedExecutor: UnownedSerialExecutor { Self.thread.asUnownedSerialExecutor() }

    func status(_ client: ControlClient) throws -> AgentStatus { try client.status() }
}

extension AgentOption {
    /// The data folder where nobody names one.
    package static let defaultData = "/var/lib/martlet-agent"
}
