internal import AgentStore
internal import Glibc
internal import MartletTypes
internal import ModelRuntime
internal import Trust

extension Doctor {
    /// The configuration file, as the agent would read it.
    func configuration(_ patient: inout Patient) -> Outcome {
        let kept = scene.data + "/agent.json"
        let path: String
        do {
            path = try AgentConfiguration.source(scene.options) ?? kept
        } catch {
            path = scene.options[.systemConfig]?.value ?? kept
        }
        if access(path, F_OK) == 0, !mayRead(path) {
            return .found([
                Ailment.configurationUnreadable.found(
                    at: path, "The configuration file cannot be read: \(String(cString: strerror(errno))).")
            ])
        }
        let configuration: AgentConfiguration
        do {
            configuration = try AgentConfiguration.load(data: scene.data, options: scene.options)
        } catch {
            let summary = (error as? any MartletError).map { ($0.message, $0.remedy) } ?? ("\(error)", "")
            return .found([Ailment.configurationWrong.found(at: path, summary.0, remedy: summary.1)])
        }
        patient.configuration = configuration
        var findings: [Diagnosis.Finding] = []
        if configuration.allowsNothing {
            findings.append(
                Ailment.nothingAllowed.found(
                    at: "\(path): policy", "The device's policy allows no release, so nothing is ever installed."))
        }
        if !configuration.gateway.apiKeys.isEmpty, let mode = exposure(path) {
            findings.append(
                Ailment.configurationExposed.found(
                    at: path, "The file holds keys of the gateway, and its permissions are \(octal(mode))."))
        }
        return .found(findings + unused(besides: path))
    }

    /// The permissions of a file that others than the agent's group may read, or than its owner may write.
    private func exposure(_ path: String) -> UInt32? {
        var (file, folder) = (stat(), stat())
        guard stat(path, &file) == 0 else { return nil }
        let isAgents = stat(scene.data, &folder) == 0 && folder.st_gid == file.st_gid
        return file.st_mode & (isAgents ? 0o037 : 0o077) == 0 ? nil : file.st_mode
    }

    /// The machine's own file, where it says something else than the one that the agent goes by.
    private func unused(besides path: String) -> [Diagnosis.Finding] {
        guard unit != nil else { return [] }
        let own = scene.options[.systemConfig]?.value ?? scene.root + "/etc/martlet/agent.json"
        guard resolved(own) != resolved(path), let said = document(own), said != .object([:]), said != document(path)
        else { return [] }
        return [
            Ailment.configurationNotUsed.found(
                at: own, "The agent goes by \(path), and this file says something else.")
        ]
    }

    private func document(_ path: String) -> JSONValue? {
        do {
            let bytes = try files.contents(of: path, limit: AgentLimits.configurationBytes)
            return try bytes.map { try JSONValue(parsing: $0) }
        } catch {
            return nil
        }
    }

    /// Whether its content can be read; root reads everything but what is no file.
    private func mayRead(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var byte: UInt8 = 0
        return read(descriptor, &byte, 1) >= 0
    }

    func octal(_ mode: UInt32) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    }
}
