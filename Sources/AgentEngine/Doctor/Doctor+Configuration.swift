internal import AgentStore
internal import Glibc
internal import MartletTypes
internal import ModelRuntime
internal import Trust

extension Doctor {
    /// The configuration file, as the agent would read it.
    func configuration(_ patient: inout Patient) -> Outcome {
        let kept = scene.data + "/agent.json"
        let path = scene.options[.config]?.value ?? kept
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
        if !configuration.gateway.apiKeys.isEmpty, let mode = files.status(path)?.mode, mode & 0o077 != 0 {
            findings.append(
                Ailment.configurationExposed.found(
                    at: path, "The file holds keys of the gateway, and its permissions are \(octal(mode))."))
        }
        return .found(findings)
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
